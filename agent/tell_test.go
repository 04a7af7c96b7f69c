package agent

import (
	"testing"
	"time"

	"github.com/rs/zerolog"

	"activedefense/agent/trouble"
)

// That an input has fallen silent is logged once, and once that it is no more.
func TestSilenceIsLoggedOnce(t *testing.T) {
	var log lockedBuffer
	var now Status
	teller := &teller{status: func() Status { return now }, log: zerolog.New(&log)}
	silent := []trouble.Trouble{{Since: time.Now(), What: "input-silent: no line comes from /l/*.log any more", Remedy: "Look", Of: "/l/*.log"}}
	for _, now.Troubles = range [][]trouble.Trouble{nil, silent, silent, nil, nil} {
		teller.tellOnce()
	}
	if begun, over := log.count(`"level":"warn"`), log.count("over: input-silent"); begun != 1 || over != 1 || log.count(`"remedy":"Look"`) != 1 {
		t.Errorf("its beginning is logged %d times, its end %d times", begun, over)
	}
}

// A store that gives no answer is logged when that begins; its end is not logged when it has become a store that is away.
func TestAStoreThatGivesNoAnswerIsLogged(t *testing.T) {
	since := time.Now()
	hangs, away := trouble.Store(&since, "no answer for 7s", true), trouble.Store(&since, "timed out", false)
	for _, c := range []struct {
		then []trouble.Trouble
		over int
	}{{nil, 1}, {away, 0}} {
		var log lockedBuffer
		var now Status
		teller := &teller{status: func() Status { return now }, log: zerolog.New(&log)}
		for _, now.Troubles = range [][]trouble.Trouble{hangs, hangs, c.then, nil} {
			teller.tellOnce()
		}
		if begun, over := log.count("store: it gives no answer"), log.count("over: "); begun-over != 1 || over != c.over {
			t.Errorf("then %v: told %d times, and its end %d times", c.then, begun, over)
		}
	}
}
