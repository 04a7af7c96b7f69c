package panosim

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// Effect is what becomes of a call that a fault meets.
type Effect uint8

// The effects. Those that damage the right answer (Truncate, Break, WrongType, Pad, Drip) always carry the command out.
const (
	Deliver        Effect = iota // answered properly, after Fault.Delay
	Hang                         // no answer until the client goes away, at most Fault.Delay (0: a minute), then a reset
	Reset                        // the connection is reset
	HTML                         // an HTML page with HTTP status Fault.Status (0: 503)
	Empty                        // HTTP 200 without a body
	Truncate                     // the first half of the right answer, sent as if it were all of it
	Break                        // the length of the right answer, the first half of it, and the end of the connection
	WrongType                    // the right answer, called text/html
	Garbage                      // HTTP 200 and Fault.Size bytes (0: 1 MiB) that are no XML
	Pad                          // the right answer, followed by white space up to Fault.Size bytes (0: 1 MiB)
	SessionTimeout               // status="error" code="22", "Session timed out"
	InternalError                // status="error" code="11", "Internal error"
	Forbidden                    // HTTP 403 as for a bad key, which restarting firewalls give for good ones
	OtherDevice                  // the login page of some other device, with HTTP 200
	Flood                        // a well-formed answer of Fault.Size bytes (0: 100 MiB), sent as it is made
	Drip                         // the right answer, a byte each Fault.Delay (0: 100 ms)
	Refuse                       // status="error" with Fault.Text, and the code Fault.Status (0: none)

	effects // how many there are
)

// effectNames are those of the effects, in their order.
var effectNames = [effects]string{"deliver", "hang", "reset", "html", "empty", "truncate", "break", "wrong-type", "garbage",
	"pad", "session-timeout", "internal-error", "forbidden", "other-device", "flood", "drip", "refuse"}

// String names the effect.
func (e Effect) String() string {
	if e >= effects {
		return "?"
	}
	return effectNames[e]
}

// ParseEffect reads what Effect.String writes. The error lists the names.
func ParseEffect(text string) (Effect, error) {
	i := slices.Index(effectNames[:], text)
	if i < 0 {
		return 0, fmt.Errorf("no effect is called %q; there are %s", text, strings.Join(effectNames[:], ", "))
	}
	return Effect(i), nil
}

// Fault is something that goes wrong with calls.
type Fault struct {
	Effect Effect
	Kind   string        // only calls of this kind (KindUserID and the like); "" is every call
	Skip   int           // so many of those calls pass first
	Calls  int           // so many are met then; 0: all until ClearFaults or SetFault
	Delay  time.Duration // wall-clock time before the effect; how long Hang lasts; between two bytes of Drip
	// Applied: the command is carried out at once, and only its answer suffers or is late. Else it is as if it had
	// never arrived, unless the effect is a right answer: that one is made after Delay, if the client still waits.
	Applied bool
	Status  int    // of HTML, and the code of Refuse
	Text    string // of Refuse; "": Timed out while getting config lock. Please try again.
	Size    int    // of Garbage, Pad and Flood, in bytes

	reboot bool // with the call, the firewall loses what it loses when it restarts; set by storms
}

// faults is the queue of what will go wrong.
type faults struct {
	mu    sync.Mutex
	queue []Fault
	storm *storm // nil: none
}

// SetFault replaces all faults, and a storm, by this one; the zero Fault is none.
func (s *Sim) SetFault(f Fault) {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.queue, s.faults.storm = nil, nil
	if f != (Fault{}) {
		s.faults.queue = []Fault{f}
	}
}

// AddFaults appends faults to the queue. A call meets the first of the queue that is about its kind and not used
// up, so that faults of one call each describe a sequence; it meets a storm only if it meets none of the queue.
func (s *Sim) AddFaults(f ...Fault) {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.queue = append(s.faults.queue, f...)
}

// ClearFaults lets everything go right again, and ends a storm. Calls that hang already go on to do so.
func (s *Sim) ClearFaults() {
	s.SetFault(Fault{})
}

// next gives the fault that meets a call of this kind; false: none.
func (q *faults) next(kind string) (Fault, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i := range q.queue {
		f := &q.queue[i]
		if f.Kind != "" && f.Kind != kind {
			continue
		}
		if f.Skip > 0 {
			f.Skip--
			return Fault{}, false
		}
		met := *f
		if f.Calls == 1 {
			q.queue = slices.Delete(q.queue, i, i+1)
		} else if f.Calls > 1 {
			f.Calls--
		}
		return met, true
	}
	return q.storm.next(kind)
}
