package train

import "ringloom/allreduce"

// region is a part of a bucket that a rank updates.
type region struct {
	lo, hi int // elements of the parameters
	at     int // where the optimizer keeps what belongs to them
}

// ownership is what a rank updates of the parameters: everything, or its shard of each bucket.
type ownership struct {
	regions [][]region // by bucket, ascending; none where the bucket has fewer elements than there are ranks
	length  int        // of the memory that the optimizer needs of each kind, in elements
}

// ownAll is the ownership of a rank that updates everything. The optimizer's memory is then laid out as the parameters.
func ownAll(plan []bucket) ownership {
	var o ownership
	for _, b := range plan {
		o.regions = append(o.regions, []region{{b.lo, b.hi, b.lo}})
		o.length = max(o.length, b.hi)
	}
	return o
}

// ownShard is the ownership of a rank whose optimizer is sharded: the parts of each bucket whose sum a reduce-scatter
// leaves there. shard says which those are of a vector of so many elements.
func ownShard(plan []bucket, shard func(length int) []allreduce.Range) ownership {
	var o ownership
	for _, b := range plan {
		var regions []region
		for _, r := range shard(b.hi - b.lo) {
			if r.From < r.To {
				regions = append(regions, region{b.lo + r.From, b.lo + r.To, o.length})
				o.length += r.To - r.From
			}
		}
		o.regions = append(o.regions, regions)
	}
	return o
}

func (o ownership) each(do func(region)) {
	for _, regions := range o.regions {
		for _, r := range regions {
			do(r)
		}
	}
}
