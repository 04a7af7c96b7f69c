// Package heap keeps what the garbage collector leaves unused small. By itself it lets as much garbage pile up as there is in use, which here are
// mostly cells without pointers (see detect/arena), some hundred megabytes of them: it looks at none of those, so that to collect
// several times as often costs next to nothing.
package heap

import (
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"time"
)

const (
	// headroom is how many bytes of garbage may pile up where at least as many are in use.
	headroom = 32 << 20
	// preset is the share, in percent of what is in use, by which Go collects where nobody says another one (GOGC).
	preset = 100
	// lookEvery is how often it is seen to: while files are caught up with, what is in use grows by tens of megabytes a second.
	lookEvery = 250 * time.Millisecond
)

// percent is how much garbage may pile up, in percent of what is in use, in bytes: 1 to preset.
func percent(used uint64) int {
	return int(max(1, min(preset, 100*headroom/max(used, 1))))
}

// Bound holds for the whole process until what it gives is called, which waits for its end. Where somebody chose another percentage
// (GOGC), that is left as it is.
func Bound() (stop func()) {
	before := debug.SetGCPercent(preset)
	if before != preset {
		debug.SetGCPercent(before)
		return func() {}
	}
	ending := make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() {
		defer debug.SetGCPercent(preset)
		b := bound{set: preset, used: []metrics.Sample{{Name: "/gc/heap/live:bytes"}}}
		ticker := time.NewTicker(lookEvery)
		defer ticker.Stop()
		for {
			b.adjust()
			select {
			case <-ticker.C:
			case <-ending:
				return
			}
		}
	})
	return sync.OnceFunc(func() { close(ending); running.Wait() })
}

// bound is how often is collected now.
type bound struct {
	set  int              // percent
	used []metrics.Sample // what the last collection found in use
}

// adjust has it follow what is in use. A new percentage stops everything for a moment, so small changes are left.
func (b *bound) adjust() {
	metrics.Read(b.used)
	if p := percent(b.used[0].Value.Uint64()); p*10 < b.set*9 || p*10 > b.set*11 {
		b.set = p
		debug.SetGCPercent(p)
	}
}
