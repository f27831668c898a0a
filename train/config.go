package train

// Config is what a training run is made of. All of it must agree on all ranks.
type Config struct {
	Model       string // name in the model table
	Epochs      int    // passes over the training set
	MaxSteps    int    // end after this many steps in all; 0 means no limit. The learning rate's schedule does not depend on it.
	GlobalBatch int    // samples of one step over all ranks together
	Accumulate  int    // micro-batches that each rank takes its part of a step in, one after the other; 1 means all at once
	Seed        uint64 // of the initial parameters, the order of the samples, dropout and augmentation
	BucketBytes int    // least gradient bytes that travel as one all-reduce; larger hides less, smaller costs more messages; 0 lets the model decide
	CheckEvery  int    // compare a checksum of the parameters over all ranks every this many steps; 0 only at the end of an epoch

	// CheckpointEvery hands the run's state to OnState every this many steps, besides the end of each epoch; 0 only there.
	CheckpointEvery int
	// SyncBatchNorm takes batch norm's moments over all ranks' samples instead of each rank's own: an exchange a layer and pass.
	SyncBatchNorm bool

	Wire          string // format in which the gradients travel: the name of one of codec.Formats
	ErrorFeedback string // add what Wire has lost of a gradient to the next: one of ErrorFeedbacks; auto: with int8 alone
	// ShardOptimizer makes each rank update a part of the parameters and hand it to the others, so that it needs the
	// optimizer's memory for that part alone (ZeRO stage 1: Rajbhandari et al., arXiv:1910.02054). As many bytes travel.
	ShardOptimizer bool
	// PowerSGD sends the gradients of large fully connected weights as two thin factors of this rank (Vogels et al.,
	// arXiv:1905.13727); 0 sends them whole. A higher rank loses less in a step and costs more.
	PowerSGD int
	// PowerSGDStart is the number of steps before that, for gradients change fastest at the beginning of a run.
	PowerSGDStart int

	Optimizer    string  // one of Optimizers
	LearningRate float64 // what Schedule and the warm-up start from
	Momentum     float64 // of sgd
	Nesterov     bool    // of sgd
	Beta1, Beta2 float64 // of adam and adamw
	Epsilon      float64 // of adam and adamw
	WeightDecay  float64 // of all parameters, as in PyTorch: added to the gradient (sgd, adam) or decoupled (adamw)
	ClipNorm     float64 // scale the averaged gradient down to this L2 norm over all parameters; 0 means no clipping

	Schedule     string  // one of Schedules
	StepEpochs   int     // of step: multiply the rate by Gamma every this many epochs
	Gamma        float64 // of step
	MinRate      float64 // of cosine: the rate that it ends at
	WarmupEpochs float64 // raise the rate linearly over so many epochs; a fraction is rounded to steps
	ScaleRate    bool    // multiply LearningRate by the number of ranks (Goyal et al., arXiv:1706.02677); warm-up starts from LearningRate

	LabelSmoothing float64 // share of the target that is spread over all classes
	Augment        bool    // change the training images at random in each epoch, by the two fields below
	CropPadding    int     // of Augment: pixels of the 28 x 28 image by which it is shifted at most, each way
	Flip           bool    // of Augment: mirror left and right with probability 1/2
}

// StepsPerEpoch is the number of steps that a training set of so many samples takes.
func (c Config) StepsPerEpoch(samples int) int { return (samples-1)/c.GlobalBatch + 1 }

// LastStep is the step after which training on so many samples is complete.
func (c Config) LastStep(samples int) int {
	last := c.Epochs * c.StepsPerEpoch(samples)
	if c.MaxSteps > 0 {
		last = min(last, c.MaxSteps)
	}
	return last
}

// DefaultConfig is what `ringloom train` does without flags.
func DefaultConfig() Config {
	return Config{
		Model: "lenet", Epochs: 10, GlobalBatch: 256, Accumulate: 1, Seed: 1, CheckEvery: 100,
		Wire: "float32", ErrorFeedback: "auto",
		Optimizer: "adam", LearningRate: 2e-3, Momentum: 0.9, Beta1: 0.9, Beta2: 0.999, Epsilon: 1e-8,
		Schedule: "constant", StepEpochs: 30, Gamma: 0.1,
		CropPadding: 2, Flip: true,
	}
}
