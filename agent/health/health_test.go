package health

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"activedefense/agent/state"
	"activedefense/store"
)

func TestHealthSaysItOnceAndCounts(t *testing.T) {
	var buffer bytes.Buffer
	log := zerolog.New(&buffer)
	h := &Health{}
	now := time.Now()
	for range 5 {
		h.Failed(log, Writer, errors.New("refused"), now)
	}
	h.Failed(log, Feed, errors.New("refused"), now)
	if n := strings.Count(buffer.String(), "\n"); n != 1 {
		t.Errorf("logged %d times: %s", n, buffer.String())
	}
	if s := h.Status(now); s.OK || s.Failures != 6 || s.Error != "refused" || !s.Since.Equal(now) {
		t.Errorf("status %+v", s)
	}
	h.Recovered(log, Writer, now.Add(time.Minute))
	if strings.Contains(buffer.String(), "store is available again") || h.Status(now).OK {
		t.Error("it is said to be back while the feed cannot use it")
	}
	h.Recovered(log, Feed, now.Add(time.Minute))
	h.Recovered(log, Feed, now.Add(time.Minute))
	if n := strings.Count(buffer.String(), "store is available again"); n != 1 || !h.Status(now).OK {
		t.Errorf("its return was logged %d times", n)
	}
}

// A database that fails over is away before it is there again without its last commits: the log says that, too, and what to do.
func TestADatabaseThatWasAwayAndLostSomethingIsSaidToHave(t *testing.T) {
	for _, lost := range []error{store.ErrLost, store.ErrReplaced, state.ErrBehind, state.ErrUnknown} {
		var buffer bytes.Buffer
		log, h, now := zerolog.New(&buffer), &Health{}, time.Now()
		h.Failed(log, Writer, errors.New("connection refused"), now)
		if _, is := h.Trouble(); is {
			t.Error("a database that is away may come back by itself")
		}
		for range 2 {
			h.Failed(log, Feed, fmt.Errorf("commit: %w", lost), now.Add(time.Second))
			h.Failed(log, Writer, errors.New("connection refused"), now.Add(time.Second))
		}
		if n := strings.Count(buffer.String(), "activedefense store accept"); n != 1 || !strings.Contains(buffer.String(), lost.Error()) {
			t.Errorf("%v: logged %d times: %s", lost, n, buffer.String())
		}
		if s := h.Status(now); s.OK || !strings.Contains(s.Error, lost.Error()) || !strings.Contains(s.Error, "activedefense store accept") {
			t.Errorf("%v: %+v", lost, s)
		}
		trouble, is := h.Trouble()
		if !is || !strings.Contains(trouble.What, lost.Error()) || !strings.Contains(trouble.Remedy, "activedefense store accept") || !trouble.Since.Equal(now) {
			t.Errorf("%v: %+v", lost, trouble)
		}
		h.Recovered(log, Feed, now.Add(time.Minute))
		if _, is := h.Trouble(); is {
			t.Error("still a trouble")
		}
	}
}

// A store that hangs says nothing, and its calls end by limits of their own, long after: that they have not ended is told while they wait.
func TestAStoreThatGivesNoAnswerIsToldWhileItIsWaitedFor(t *testing.T) {
	h, begun := &Health{}, time.Now()
	at := func(after time.Duration) Status { return h.Status(begun.Add(after)) }
	h.Began(Writer, begun.Add(time.Second))
	h.Began(Feed, begun)
	if s := at(4 * time.Second); !s.OK || s.Error != "" || s.Since != nil || s.NoAnswer != 0 {
		t.Errorf("while a call may still be answered: %+v", s)
	}
	if s := at(7 * time.Second); !s.OK || s.Error != "no answer for 7s to the question what is blocked" || s.Since == nil || !s.Since.Equal(begun) || s.NoAnswer != 7 {
		t.Errorf("after seven seconds: %+v", s)
	}
	h.Recovered(zerolog.Nop(), Feed, begun.Add(8*time.Second))
	if s := at(12 * time.Second); s.OK || s.Error != "no answer for 11s to the commit of what was read" || s.NoAnswer != 11 {
		t.Errorf("one of two is answered: %+v", s)
	}
	h.Failed(zerolog.Nop(), Writer, errors.New("timed out"), begun.Add(30*time.Second))
	if s := at(31 * time.Second); s.OK || s.Error != "timed out" || !s.Since.Equal(begun.Add(time.Second)) || s.NoAnswer != 0 {
		t.Errorf("when it has timed out: %+v", s)
	}
	h.Recovered(zerolog.Nop(), Writer, begun.Add(40*time.Second))
	if s := at(60 * time.Second); !s.OK || s.Error != "" {
		t.Errorf("when it is back: %+v", s)
	}
}
