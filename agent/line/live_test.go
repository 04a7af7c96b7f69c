package line

import "testing"

func TestTwoRunsAfterTheSameBatchNumberTheirsDifferently(t *testing.T) {
	one, other := firstSeq(7), firstSeq(7)
	if one <= 7 || other <= 7 || one == other {
		t.Errorf("after batch 7 come %d and %d", one, other)
	}
}
