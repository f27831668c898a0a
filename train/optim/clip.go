package optim

// ClipScale is the factor for a gradient of the given L2 norm that keeps it under a limit, as
// torch.nn.utils.clip_grad_norm_ has it: the small number keeps the division sound where the norm is 0.
func ClipScale(limit, norm float64) float64 { return min(1, limit/(norm+1e-6)) }
