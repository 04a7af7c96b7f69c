package panosim

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"time"

	"activedefense/firewall/panosim/answer"
)

// Phase is how far a restart has come.
type Phase uint8

// The phases in their order. What clients met in the last two is recorded: 502 while the web server waits for the
// daemons behind it, and "Invalid Credential" for valid keys, since "FW auth system takes longer to start up"
// (pan-os-python).
const (
	PhaseUp      Phase = iota // everything works
	PhaseDown                 // connections are refused
	PhaseGateway              // the web server answers pages, 502 and 503 in turn
	PhaseLocked               // the API answers, and takes no key
)

// String names the phase.
func (p Phase) String() string {
	return [...]string{"up", "down", "gateway", "locked"}[p]
}

// RestartOptions says how long each phase lasts, in wall-clock time; a phase of 0 is passed over. When all are 0,
// each phase lasts until Restart.Next is called.
type RestartOptions struct {
	Down    time.Duration
	Gateway time.Duration
	Locked  time.Duration
}

// duration gives that of a phase.
func (o RestartOptions) duration(p Phase) time.Duration {
	return [...]time.Duration{PhaseDown: o.Down, PhaseGateway: o.Gateway, PhaseLocked: o.Locked}[p]
}

// Restart is one restart in progress, or over.
type Restart struct {
	sim  *Sim
	done chan struct{}
	step sync.Mutex // held while a phase ends
}

// boot is the phase in which the firewall is.
type boot struct {
	mu      sync.Mutex
	phase   Phase
	current *Restart // nil: no restart is in progress
	calls   int      // answered in this phase
}

// errOverrun is what is left of a restart when another one has begun, or when it is over.
var errOverrun = errors.New("this restart is over, or another one has begun")

// Restart restarts the firewall: connections are cut at once, and the phases follow as the options say. What
// restarting does to registered addresses (see Reboot) has happened when PhaseDown ends. A restart during another
// one takes its place.
func (s *Sim) Restart(o RestartOptions) *Restart {
	r := &Restart{sim: s, done: make(chan struct{})}
	s.boot.mu.Lock()
	if s.boot.current != nil {
		close(s.boot.current.done)
	}
	s.boot.phase, s.boot.current, s.boot.calls = PhaseDown, r, 0
	s.boot.mu.Unlock()
	s.Down()
	if o != (RestartOptions{}) {
		s.life.run(func(context.Context) { r.run(o) })
	}
	return r
}

// run goes through the phases by the clock.
func (r *Restart) run(o RestartOptions) {
	for p := PhaseDown; p != PhaseUp; {
		if !r.sim.life.wait(context.Background(), o.duration(p)) {
			return
		}
		next, err := r.Next()
		for err != nil {
			if errors.Is(err, errOverrun) || errors.Is(err, net.ErrClosed) {
				return
			}
			err = r.listen()
		}
		p = next
	}
}

// listen tries once more to have the firewall listen, if this is still the restart that decides.
func (r *Restart) listen() error {
	b := &r.sim.boot
	b.mu.Lock()
	current := b.current == r
	b.mu.Unlock()
	if !current {
		return errOverrun
	}
	return r.sim.Up()
}

// Phase is the phase of the firewall now.
func (r *Restart) Phase() Phase {
	r.sim.boot.mu.Lock()
	defer r.sim.boot.mu.Unlock()
	return r.sim.boot.phase
}

// Done is closed when the firewall is up, or when another restart has taken the place of this one.
func (r *Restart) Done() <-chan struct{} { return r.done }

// Next ends the phase, and gives the one that has begun. The error says that the restart is over, or that the
// firewall could not listen again: it is closed, or another process took the port.
func (r *Restart) Next() (Phase, error) {
	r.step.Lock()
	defer r.step.Unlock()
	s := r.sim
	s.boot.mu.Lock()
	ended, current := s.boot.phase, s.boot.current == r
	s.boot.mu.Unlock()
	if !current {
		return ended, errOverrun
	}
	next := ended + 1
	if ended == PhaseLocked {
		next = PhaseUp
	}
	if ended == PhaseDown {
		s.Reboot()
	}
	if !r.begin(next) {
		return r.Phase(), errOverrun
	}
	if next == PhaseGateway {
		return next, s.Up()
	}
	if next == PhaseUp {
		s.seat.Load().check()
	}
	return next, nil
}

// begin sets the phase, if this is still the restart that decides.
func (r *Restart) begin(p Phase) bool {
	b := &r.sim.boot
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.current != r {
		return false
	}
	b.phase, b.calls = p, 0
	if p == PhaseUp {
		b.current = nil
		close(r.done)
	}
	return true
}

// up says that no restart is in progress.
func (b *boot) up() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.phase == PhaseUp
}

// forwards says whether the data plane works: it does not until the firewall has started. That it is there before the
// management plane takes keys is unverified.
func (b *boot) forwards() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.phase != PhaseDown
}

// answer gives the answer of a firewall that is starting; false: it has started.
func (b *boot) answer() (answer.Answer, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls++
	switch b.phase {
	case PhaseUp:
		return answer.Answer{}, false
	case PhaseLocked:
		return answer.Forbidden("Invalid Credential"), true
	}
	if b.calls%2 == 1 {
		return answer.Page(http.StatusBadGateway), true
	}
	return answer.Page(http.StatusServiceUnavailable), true
}

// Reboot restarts the firewall in no time: tags that are not persistent are gone, timers, what is not committed and the
// list of jobs fare as the dialect says, and jobs that have not ended have failed. Connections stay, and keys stay
// valid. Restart is one that takes its time.
func (s *Sim) Reboot() {
	s.mu.Lock()
	changes := s.registry.Restart()
	s.jobs.Restart()
	s.config.Restart()
	s.plane.Restart()
	s.lists.Restart()
	s.booted = s.opts.Now()
	s.syslog.Write("critical", "general", "System restart")
	s.mu.Unlock()
	s.tell(changes)
}
