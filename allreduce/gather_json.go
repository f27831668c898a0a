package allreduce

import (
	"context"
	"encoding/json"
	"fmt"
)

// AllGatherJSON gives every rank the values of all ranks, by rank; they travel as JSON. The error names the rank whose value
// cannot be parsed, or is that of AllGatherBytes; a value that JSON cannot hold is refused before anything is sent. The
// caller adds what was gathered.
func AllGatherJSON[T any](ctx context.Context, g *Group, value T) ([]T, error) {
	block, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	blocks, err := g.AllGatherBytes(ctx, block)
	if err != nil {
		return nil, err
	}
	values := make([]T, len(blocks))
	for rank, b := range blocks {
		if err := json.Unmarshal(b, &values[rank]); err != nil {
			return nil, fmt.Errorf("the JSON of rank %d cannot be parsed: %w", rank, err)
		}
	}
	return values, nil
}
