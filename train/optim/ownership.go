package optim

// Span is the elements From to To, exclusive, of the flat parameters.
type Span struct{ From, To int }

// Region is a part of a bucket that a rank updates.
type Region struct {
	Span
	At int // where the optimizer keeps what belongs to it, in elements of its own memory
}

// Ownership is what a rank updates of the parameters: everything, or its shard of each bucket.
type Ownership struct {
	Regions [][]Region // by bucket, ascending; none where the bucket has fewer elements than there are ranks
	Len     int        // of the memory that the optimizer needs of each kind, in elements
}

// OwnAll is the ownership of a rank that updates everything. The optimizer's memory is then laid out as the parameters.
func OwnAll(buckets []Span) Ownership {
	var o Ownership
	for _, b := range buckets {
		o.Regions = append(o.Regions, []Region{{b, b.From}})
		o.Len = max(o.Len, b.To)
	}
	return o
}

// OwnShard is the ownership of a rank whose optimizer is sharded: the parts of each bucket whose sum a reduce-scatter
// leaves there. shard says which those are of a vector of so many elements.
func OwnShard(buckets []Span, shard func(length int) []Span) Ownership {
	var o Ownership
	for _, b := range buckets {
		var regions []Region
		for _, part := range shard(b.To - b.From) {
			if part.From < part.To {
				regions = append(regions, Region{Span{b.From + part.From, b.From + part.To}, o.Len})
				o.Len += part.To - part.From
			}
		}
		o.Regions = append(o.Regions, regions)
	}
	return o
}

// Each visits the regions, bucket by bucket.
func (o Ownership) Each(visit func(Region)) {
	for _, regions := range o.Regions {
		for _, r := range regions {
			visit(r)
		}
	}
}
