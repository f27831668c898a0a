package train

import "time"

// Timing is where one rank's epoch went, in seconds of its training thread. ExposedComm is the wait for collectives
// that backward did not hide.
type Timing struct {
	Data        float64 `json:"data_seconds"`
	Forward     float64 `json:"forward_seconds"`
	Backward    float64 `json:"backward_seconds"`
	ExposedComm float64 `json:"exposed_comm_seconds"`
	Optimizer   float64 `json:"optimizer_seconds"`
	Evaluation  float64 `json:"evaluation_seconds"`
	Total       float64 `json:"total_seconds"`
}

// stopwatch splits time into consecutive laps.
type stopwatch struct{ last time.Time }

func startWatch() stopwatch { return stopwatch{time.Now()} }

// lap adds the time since the previous lap to a part.
func (s *stopwatch) lap(part *float64) {
	now := time.Now()
	*part += now.Sub(s.last).Seconds()
	s.last = now
}
