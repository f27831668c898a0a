package purego

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// crew shares tasks between goroutines. The caller of do is its first worker, so a crew of one has no goroutine.
type crew struct {
	wake  []chan struct{} // of all workers but the first
	work  func(worker, task int)
	tasks int
	next  atomic.Int64
	// pending counts the woken workers that still compute, ended those that exist.
	pending, ended sync.WaitGroup
}

func newCrew() *crew {
	c := &crew{}
	for worker := 1; worker < min(runtime.GOMAXPROCS(0), runtime.NumCPU()); worker++ {
		wake := make(chan struct{})
		c.wake = append(c.wake, wake)
		c.ended.Go(func() {
			for range wake {
				c.take(worker)
				c.pending.Done()
			}
		})
	}
	return c
}

func (c *crew) size() int { return len(c.wake) + 1 }

// do calls work for each task from 0 up to tasks, with the number of the worker that does it, and returns when all
// are done. Tasks must not depend on each other.
func (c *crew) do(tasks int, work func(worker, task int)) {
	if tasks == 1 {
		work(0, 0)
		return
	}
	c.work, c.tasks = work, tasks
	c.next.Store(0)
	woken := c.wake[:min(len(c.wake), tasks-1)]
	c.pending.Add(len(woken))
	for _, wake := range woken {
		wake <- struct{}{}
	}
	c.take(0)
	c.pending.Wait()
	c.work = nil
}

func (c *crew) take(worker int) {
	for {
		task := int(c.next.Add(1)) - 1
		if task >= c.tasks {
			return
		}
		c.work(worker, task)
	}
}

// close ends the goroutines.
func (c *crew) close() {
	for _, wake := range c.wake {
		close(wake)
	}
	c.ended.Wait()
}
