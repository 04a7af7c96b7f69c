package line

import (
	"testing"
	"time"
)

func TestBackoffGrowsToItsBound(t *testing.T) {
	last := time.Duration(0)
	for try := range 100 {
		d := Backoff(try)
		if d < last || d < minBackoff || d > maxBackoff {
			t.Fatalf("try %d waits %s after %s", try, d, last)
		}
		last = d
	}
	if last != maxBackoff {
		t.Errorf("it ends at %s", last)
	}
}
