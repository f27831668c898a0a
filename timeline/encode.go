package timeline

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"
)

// MaxBlockBytes is the largest block of a ring's AllGatherBytes, 64 MiB. MaxEvents events fit into one, whatever they
// are.
const (
	MaxBlockBytes = 64 << 20
	MaxEvents     = (MaxBlockBytes - maxHeaderBytes) / maxEventBytes

	maxHeaderBytes = 64 << 10
	maxEventBytes  = 1 + 2*binary.MaxVarintLen32 + 3*binary.MaxVarintLen64
)

var (
	// ErrTooLarge is wrapped where a record does not fit into MaxBlockBytes.
	ErrTooLarge = errors.New("timeline too large to send")
	// ErrFormat is wrapped where bytes are not a record.
	ErrFormat = errors.New("not a timeline")
)

// magic begins a record; the digit is the version.
const magic = "RLT1"

// MarshalBinary encodes a record:
//
//	magic "RLT1", uvarint length of the header, the header: the Rank as JSON without Events, uvarint number of events,
//	each event: a byte Kind, varint Step less the Step before, varint Bucket, uvarint Bytes,
//	varint Begin less the Begin before, varint End less Begin
//
// A typical event takes 10 to 15 bytes.
func (r Rank) MarshalBinary() ([]byte, error) {
	events := r.Events
	r.Events = nil
	header, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	b := append([]byte(magic), binary.AppendUvarint(nil, uint64(len(header)))...)
	b = binary.AppendUvarint(append(b, header...), uint64(len(events)))
	var last Event
	for _, e := range events {
		b = append(b, byte(e.Kind))
		b = binary.AppendVarint(b, int64(e.Step)-int64(last.Step))
		b = binary.AppendVarint(b, int64(e.Bucket))
		b = binary.AppendUvarint(b, uint64(e.Bytes))
		b = binary.AppendVarint(b, int64(e.Begin-last.Begin))
		b = binary.AppendVarint(b, int64(e.End-e.Begin))
		last = e
	}
	if len(b) > MaxBlockBytes {
		return nil, fmt.Errorf("%w: rank %d has %d events in %d bytes, more than the %d that the ring gathers; record fewer steps",
			ErrTooLarge, r.Rank, len(events), len(b), MaxBlockBytes)
	}
	return b, nil
}

// UnmarshalBinary decodes what MarshalBinary made. The error wraps ErrFormat.
func (r *Rank) UnmarshalBinary(b []byte) error {
	d := decoder{b: b}
	if string(d.take(uint64(len(magic)))) != magic {
		return fmt.Errorf("%w: it does not begin with %s", ErrFormat, magic)
	}
	var out Rank
	if header := d.take(d.uvarint()); !d.short {
		if err := json.Unmarshal(header, &out); err != nil {
			return fmt.Errorf("%w: its header: %v", ErrFormat, err)
		}
	}
	n := d.uvarint()
	const least = 6 // bytes of an event
	if n > uint64(len(d.b))/least {
		return fmt.Errorf("%w: %d bytes cannot hold %d events", ErrFormat, len(d.b), n)
	}
	out.Events = make([]Event, n)
	var last Event
	for i := range out.Events {
		e := &out.Events[i]
		if kind := d.take(1); len(kind) == 1 {
			e.Kind = Kind(kind[0])
		}
		step, bucket := int64(last.Step)+d.varint(), d.varint()
		e.Step, e.Bucket, e.Bytes = int32(step), int32(bucket), int64(d.uvarint())
		e.Begin = last.Begin + time.Duration(d.varint())
		e.End = e.Begin + time.Duration(d.varint())
		if e.Kind >= kinds || step != int64(e.Step) || bucket != int64(e.Bucket) || e.Bytes < 0 || e.Begin > math.MaxInt64/4 || e.Begin < -math.MaxInt64/4 || e.End < e.Begin || e.End > math.MaxInt64/2 {
			return fmt.Errorf("%w: event %d is impossible: %+v", ErrFormat, i, *e)
		}
		last = *e
	}
	if d.short || len(d.b) > 0 {
		return fmt.Errorf("%w: %d events, and then %d bytes that do not belong to it or too few", ErrFormat, n, len(d.b))
	}
	*r = out
	return nil
}

// decoder takes values off b. What is asked for beyond the end is zero, and short is set.
type decoder struct {
	b     []byte
	short bool
}

func (d *decoder) take(n uint64) []byte {
	if n > uint64(len(d.b)) {
		d.b, d.short = nil, true
		return nil
	}
	head := d.b[:n]
	d.b = d.b[n:]
	return head
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.b)
	d.skip(n)
	return v
}

func (d *decoder) varint() int64 {
	v, n := binary.Varint(d.b)
	d.skip(n)
	return v
}

// skip passes a number of n bytes; none or fewer means that it was cut short or too long.
func (d *decoder) skip(n int) {
	if n <= 0 {
		d.b, d.short = nil, true
		return
	}
	d.b = d.b[n:]
}
