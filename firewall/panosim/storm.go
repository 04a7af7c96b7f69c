package panosim

import (
	"cmp"
	"math/rand/v2"
	"net/http"
	"slices"
	"time"
)

// StormOptions says how much goes wrong in a storm. The zero value injects every effect, restarts included.
type StormOptions struct {
	Share    float64       // of the calls that are met by a fault, restarts apart; 0 is 0.3
	Effects  []Effect      // those that are injected; nil is all
	Kinds    []string      // only calls of these kinds are met and counted; nil is all
	MaxDelay time.Duration // longest delay, hang and drip, each; 0 is a second
	MaxSize  int           // most bytes of Garbage, Pad and Flood; 0 is 1 MiB
	// Restarts is how often the firewall restarts: once in so many calls on the average; 0 is 500, negative never.
	// A storm's restart is counted in calls, not in time: a few are reset, a few get 502 and 503, a few 403.
	Restarts int
}

func (o StormOptions) withDefaults() StormOptions {
	o.Share = cmp.Or(o.Share, 0.3)
	o.MaxDelay = cmp.Or(o.MaxDelay, time.Second)
	o.MaxSize = cmp.Or(o.MaxSize, defaultSize)
	o.Restarts = cmp.Or(o.Restarts, 500)
	if o.Effects == nil {
		for e := range effects {
			o.Effects = append(o.Effects, e)
		}
	}
	return o
}

// Storm has calls met by faults in an order that the seed decides: what meets the nth call from now on is always the
// same, whenever it comes and whatever it asks. StormFault tells it beforehand. ClearFaults, SetFault and another
// Storm end it.
func (s *Sim) Storm(seed uint64, o StormOptions) {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.storm = &storm{seed: seed, options: o.withDefaults()}
}

// StormCalls is how many calls the storm has counted; 0 when there is none.
func (s *Sim) StormCalls() int {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	if s.faults.storm == nil {
		return 0
	}
	return s.faults.storm.calls
}

// StormFault gives what meets the nth call of a storm (1 is the first); false: nothing.
func StormFault(seed uint64, n int, o StormOptions) (Fault, bool) {
	return (&storm{seed: seed, options: o.withDefaults()}).fault(n)
}

// storm is one that is going on.
type storm struct {
	seed    uint64
	options StormOptions
	calls   int
}

// next gives what meets the next call. It may be called on nil.
func (t *storm) next(kind string) (Fault, bool) {
	if t == nil || t.options.Kinds != nil && !slices.Contains(t.options.Kinds, kind) {
		return Fault{}, false
	}
	t.calls++
	return t.fault(t.calls)
}

// What the calls of a restart meet: so many each.
const (
	restartResets   = 3
	restartGateways = 4
	restartLocked   = 5
	restartCalls    = restartResets + restartGateways + restartLocked
)

// fault decides about the nth call by its number alone, so that a storm can be replayed from any call on.
func (t *storm) fault(n int) (Fault, bool) {
	for back := range restartCalls {
		if n-back > 0 && t.restarts(n-back) {
			return restartFault(back), true
		}
	}
	dice := rand.New(rand.NewPCG(t.seed, uint64(n)))
	if dice.Float64() >= t.options.Share {
		return Fault{}, false
	}
	f := Fault{Effect: t.options.Effects[dice.IntN(len(t.options.Effects))], Calls: 1, Applied: dice.IntN(2) == 0}
	switch f.Effect {
	case Deliver, Hang:
		f.Delay = 1 + time.Duration(dice.Int64N(int64(t.options.MaxDelay)))
	case Drip:
		// Long enough for a client's patience to matter, if the answer is not short.
		f.Delay = max(t.options.MaxDelay/500, 1)
	case HTML:
		f.Status = http.StatusBadGateway + dice.IntN(3) // 502, 503, 504
	case Garbage, Pad, Flood:
		f.Size = 1 + dice.IntN(t.options.MaxSize)
	}
	return f, true
}

// restarts says whether a restart begins with the nth call.
func (t *storm) restarts(n int) bool {
	if t.options.Restarts < 0 {
		return false
	}
	return rand.New(rand.NewPCG(^t.seed, uint64(n))).IntN(t.options.Restarts) == 0
}

// restartFault is what meets the call that comes so many after the one with which a restart began.
func restartFault(after int) Fault {
	switch {
	case after < restartResets:
		return Fault{Effect: Reset, Calls: 1, reboot: after == 0}
	case after < restartResets+restartGateways:
		return Fault{Effect: HTML, Calls: 1, Status: http.StatusBadGateway + after%2}
	}
	return Fault{Effect: Forbidden, Calls: 1}
}
