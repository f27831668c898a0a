package driver

// Info describes a GPU.
type Info struct {
	Ordinal         int
	Name            string // such as NVIDIA H100 80GB HBM3
	UUID            string // as nvidia-smi prints it: GPU-xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx, or MIG-... of a MIG slice (SameUUID)
	MemoryBytes     int64  // in all, not what is free
	Major, Minor    int    // compute capability
	Multiprocessors int
	DriverVersion   int // the newest CUDA that the driver knows: 1000*major + 10*minor
}
