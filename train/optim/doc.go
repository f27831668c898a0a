// Package optim has what turns a summed gradient into new parameters: the methods of torch.optim with a device's
// kernels, learning rate schedules, and the factor by which a gradient is clipped.
//
//	owned := optim.OwnAll(spans)                      // or OwnShard: a part of each bucket
//	opt, err := optim.New(cfg, device, params, owned)
//	err = opt.Begin(steps, schedule.Rate(steps), optim.ClipScale(limit, norm))
//	err = opt.Update(bucket)                          // for every bucket
//
// An Optimizer belongs to the thread that its device is bound to. It keeps no count of steps, so that a run goes on from
// a state without one; nothing here blocks but Kept, Load and Store, which wait for an accelerator. Tests hold the
// methods against PyTorch's manual in float64 and the schedules against the recursions of torch.optim.lr_scheduler.
package optim
