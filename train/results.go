package train

import (
	"context"
	"fmt"

	"ringloom/allreduce"
)

// RankEpoch is what one rank reports of an epoch. Counts are exact; LossSum is the sum over its samples.
type RankEpoch struct {
	Rank        int       `json:"rank"`
	Samples     int       `json:"samples"`
	Correct     int       `json:"correct"`
	LossSum     float64   `json:"loss_sum"`
	StepLoss    []float64 `json:"step_loss"` // this rank's share of each step's mean loss over the global batch
	TestSamples int       `json:"test_samples"`
	TestCorrect int       `json:"test_correct"`
	// LearningRate is that of the epoch's last step. NormMean and NormMax are of the averaged gradient over all
	// parameters before clipping, over the epoch's steps; 0 without clipping. All three are the same on every rank.
	LearningRate float64 `json:"learning_rate"`
	NormMean     float64 `json:"grad_norm_mean,omitempty"`
	NormMax      float64 `json:"grad_norm_max,omitempty"`
	Timing
}

// ImagesPerSecond is the training speed without evaluation.
func (r RankEpoch) ImagesPerSecond() float64 { return float64(r.Samples) / r.Total }

// Epoch is the outcome of one epoch over all ranks, the same on every rank.
type Epoch struct {
	Number        int // from 1
	Steps         int // optimizer steps since the start of the run
	Loss          float64
	TrainAccuracy float64 // over the samples as they were trained on, as the course counts
	TestAccuracy  float64
	Seconds       float64 // of the slowest rank, training without evaluation
	StepLoss      []float64
	LearningRate  float64 // of the last step
	NormMean      float64 // of the averaged gradient before clipping; 0 without
	NormMax       float64
	Ranks         []RankEpoch
}

// exchange gives every rank all ranks' reports.
func (w *Worker) exchange(ctx context.Context, epoch int, local *RankEpoch) (Epoch, error) {
	ranks, err := allreduce.AllGatherJSON(ctx, w.Ring, *local)
	if err != nil {
		return Epoch{}, fmt.Errorf("gathering the results of epoch %d: %w", epoch, err)
	}
	return merge(epoch, w.steps, ranks), nil
}

// merge adds up the ranks' exact counts.
func merge(number, steps int, ranks []RankEpoch) Epoch {
	e := Epoch{
		Number: number, Steps: steps, Ranks: ranks, StepLoss: make([]float64, len(ranks[0].StepLoss)),
		LearningRate: ranks[0].LearningRate, NormMean: ranks[0].NormMean, NormMax: ranks[0].NormMax,
	}
	var samples, correct, testSamples, testCorrect int
	var loss float64
	for _, r := range ranks {
		samples += r.Samples
		correct += r.Correct
		testSamples += r.TestSamples
		testCorrect += r.TestCorrect
		loss += r.LossSum
		e.Seconds = max(e.Seconds, r.Total)
		for i, l := range r.StepLoss {
			e.StepLoss[i] += l
		}
	}
	e.Loss = loss / float64(samples)
	e.TrainAccuracy = float64(correct) / float64(samples)
	e.TestAccuracy = float64(testCorrect) / float64(testSamples)
	return e
}
