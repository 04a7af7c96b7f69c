package heap

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"testing"
)

func TestGarbageIsBoundedHoweverMuchIsInUse(t *testing.T) {
	for _, c := range []struct {
		used uint64
		want int
	}{{0, 100}, {1 << 20, 100}, {32 << 20, 100}, {64 << 20, 50}, {256 << 20, 12}, {1 << 50, 1}} {
		if got := percent(c.used); got != c.want {
			t.Errorf("with %d MiB in use, %d percent, want %d", c.used>>20, got, c.want)
		}
	}
}

// gcPercent is what is set now.
func gcPercent() int {
	s := []metrics.Sample{{Name: "/gc/gogc:percent"}}
	metrics.Read(s)
	return int(s[0].Value.Uint64())
}

func TestCollectsMoreOftenWhileMuchIsInUse(t *testing.T) {
	b := bound{set: preset, used: []metrics.Sample{{Name: "/gc/heap/live:bytes"}}}
	defer debug.SetGCPercent(preset)
	held := make([]byte, 256<<20)
	runtime.GC()
	b.adjust()
	if got := gcPercent(); got < 10 || got > 12 {
		t.Errorf("with 256 MiB in use, %d percent are set", got)
	}
	runtime.KeepAlive(held)
	held = nil
	runtime.GC()
	b.adjust()
	if got := gcPercent(); got != preset {
		t.Errorf("with next to nothing in use, %d percent are set", got)
	}
}

func TestWhatAnOperatorChoseStays(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(300))
	held := make([]byte, 256<<20)
	runtime.GC()
	stop := Bound()
	if got := gcPercent(); got != 300 {
		t.Errorf("%d percent are set", got)
	}
	stop()
	runtime.KeepAlive(held)
}

func TestTheEndLeavesItAsItWas(t *testing.T) {
	held := make([]byte, 256<<20)
	runtime.GC()
	stop := Bound()
	stop()
	stop()
	if got := gcPercent(); got != preset {
		t.Errorf("%d percent are set", got)
	}
	runtime.KeepAlive(held)
}
