package archive

import (
	"os"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// behind is how far files are written behind others for the processor (nice of setpriority): reading comes first, and gets three times as much where both want a core. It is
// little, because everybody waits for that thread where the garbage collector stops all: one that other programs keep from running would stop this one.
const behind = 5

// inBackground runs fn on a thread of its own that stands behind others, and waits for it: one core at most. Nothing that others wait for, such
// as a transaction, is to be done there. Where it may not stand behind, it runs as anything else.
func inBackground(fn func() error) error {
	done := make(chan error, 1)
	var begin func()
	begin = func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine, for it can not be raised again
		if unix.Gettid() == os.Getpid() {
			// The first thread is the process to those who look at it, and never ends: another one takes over, while this one is taken.
			inner := make(chan struct{})
			go func() { begin(); close(inner) }()
			<-inner
			runtime.UnlockOSThread()
			return
		}
		// Of this thread, on Linux, where the call gives 20 less the value. Nobody is put before what it was.
		if now, err := unix.Getpriority(unix.PRIO_PROCESS, 0); err == nil && behind > 20-now {
			_ = unix.Setpriority(unix.PRIO_PROCESS, 0, behind)
		}
		done <- fn()
	}
	go begin()
	return <-done
}

// started is the origin of sinceStart.
var started = time.Now()

// sinceStart is a time that no clock sets back.
func sinceStart() time.Duration { return time.Since(started) }
