package panosim

import (
	"net/netip"
	"slices"
	"time"

	"activedefense/firewall/panosim/edl"
	"activedefense/firewall/panosim/logs"
	"activedefense/firewall/panosim/traffic"
	"activedefense/firewall/panosim/userid"
)

// Configuration is what an operator at the firewall does with its configuration.
type Configuration struct{ s *Sim }

// Config gives the configuration.
func (s *Sim) Config() Configuration { return Configuration{s} }

// Running gives the running configuration as XML.
func (c Configuration) Running() string {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	return c.s.config.Running().String()
}

// Candidate gives the whole candidate as XML, with the attributes of what is not committed.
func (c Configuration) Candidate() string {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	return c.s.config.Marked()
}

// Pending is the number of an administrator's edits that are not committed; of "" it is that of all.
func (c Configuration) Pending(admin string) int {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	return c.s.config.Pending(admin)
}

// Edit edits the candidate as an administrator would behind the client's back. The action is one of set, edit,
// delete, rename (content is the new name) and move (content is "top", "bottom", "before NAME" or "after NAME").
// The error has the lines of the firewall's refusal: locks, references and the rules for names and values hold
// here as they do over the wire.
func (c Configuration) Edit(admin, action, path, content string) error {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	return c.s.config.Edit(admin, action, path, content)
}

// Commit has an administrator commit everything that is pending, at once and regardless of locks, as a person at
// the firewall does behind the client's back. The error has the lines of the job that failed.
func (c Configuration) Commit(admin string) error {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	return c.s.config.Commit(admin)
}

// FailCommit has the next commit or validation fail with these lines, whatever it holds.
func (c Configuration) FailCommit(lines ...string) {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	c.s.config.FailNext(lines...)
}

// WarnCommit has the next commit end with these warnings.
func (c Configuration) WarnCommit(lines ...string) {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	c.s.config.WarnNext(lines...)
}

// LockConfig has an administrator take the lock on the configuration of a scope ("" is shared).
func (c Configuration) LockConfig(admin, scope string) {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	c.s.config.Locks().LockConfig(admin, scope)
}

// LockCommit has an administrator take the lock on commits of a scope ("" is shared).
func (c Configuration) LockCommit(admin, scope string) {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	c.s.config.Locks().LockCommit(admin, scope)
}

// UnlockConfig takes the lock on the configuration of a scope ("" is shared) away, whoever holds it.
func (c Configuration) UnlockConfig(scope string) {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	c.s.config.Locks().UnlockConfig(scope)
}

// UnlockCommit takes the locks on commits of a scope ("" is shared) away, whoever holds them.
func (c Configuration) UnlockCommit(scope string) {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	c.s.config.Locks().UnlockCommit(scope)
}

// Addresses is what an operator, or another owner of tags, does with registered addresses behind the client's back. A
// virtual system "" is the first one.
type Addresses struct{ s *Sim }

// Addresses gives the registered addresses.
func (s *Sim) Addresses() Addresses { return Addresses{s} }

// look looks under the lock, after what is out of time has gone.
func (a Addresses) look(at func(*userid.Registry)) {
	a.s.mu.Lock()
	changes := a.s.registry.Expire()
	at(a.s.registry)
	a.s.mu.Unlock()
	a.s.tell(changes)
}

// Registered gives every address of a virtual system with its tags in the order in which they came. Ranges are left out;
// see Ranges. An unknown virtual system has none.
func (a Addresses) Registered(vsys string) (out map[netip.Prefix][]string) {
	a.look(func(g *userid.Registry) { out = g.Registered(vsys) })
	return out
}

// Ranges gives the registered ranges of a virtual system as "first-last", with their tags.
func (a Addresses) Ranges(vsys string) (out map[string][]string) {
	a.look(func(g *userid.Registry) { out = g.Ranges(vsys) })
	return out
}

// Tagged gives the addresses of a virtual system that carry the tag. Ranges are left out.
func (a Addresses) Tagged(vsys, tag string) (out map[netip.Prefix]userid.Tag) {
	a.look(func(g *userid.Registry) { out = g.Tagged(vsys, tag) })
	return out
}

// Count gives how many addresses, networks and ranges are registered in all virtual systems.
func (a Addresses) Count() (n int) {
	a.look(func(g *userid.Registry) { n = g.Count() })
	return n
}

// Register sets a tag as another owner would: persistent, with no regard to limits, a timer that stands begun anew. A
// timeout of 0 is none. The error says that there is no such virtual system, or that the prefix is none.
func (a Addresses) Register(vsys string, p netip.Prefix, tag string, timeout time.Duration) error {
	a.s.mu.Lock()
	changes, err := a.s.registry.Register(vsys, p, tag, timeout)
	a.s.mu.Unlock()
	a.s.tell(changes)
	return err
}

// Unregister takes a tag off as another owner would; a tag "" takes off all of the address. What does not stand
// is no error.
func (a Addresses) Unregister(vsys string, p netip.Prefix, tag string) error {
	a.s.mu.Lock()
	changes, err := a.s.registry.Unregister(vsys, p, tag)
	a.s.mu.Unlock()
	a.s.tell(changes)
	return err
}

// Clear takes off everything in a virtual system, as an operator can on the command line.
func (a Addresses) Clear(vsys string) {
	a.s.mu.Lock()
	changes := a.s.registry.Clear(vsys)
	a.s.mu.Unlock()
	a.s.tell(changes)
}

// SetPageHook has fn called after each page was read and before it is sent, outside all locks, so that a test can
// change what is registered between two pages. nil: no longer.
func (a Addresses) SetPageHook(fn func(userid.Page)) {
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	a.s.onPage = fn
}

// Lists are the External Dynamic Lists of the firewall. A virtual system "" is the first one.
type Lists struct{ s *Sim }

// Lists gives the External Dynamic Lists.
func (s *Sim) Lists() Lists { return Lists{s} }

// Names gives the names of the lists of IP addresses that a virtual system can name in its rules, sorted; State tells
// what the firewall holds of each.
func (l Lists) Names(vsys string) []string {
	l.s.mu.Lock()
	defer l.s.mu.Unlock()
	p := l.s.policies.Of(l.s.registry.Name(vsys))
	if p == nil {
		return nil
	}
	return p.ListNames()
}

// State gives what the firewall holds of a list of type ip, as a rule of the virtual system would find it by name; false:
// there is none.
func (l Lists) State(vsys, name string) (edl.State, bool) {
	l.s.mu.Lock()
	defer l.s.mu.Unlock()
	return l.s.lists.State(l.s.registry.Name(vsys), name)
}

// Fetch fetches every list of which the interval has passed since the last try, by the firewall's clock, and every one
// that was never tried, and returns when all of them are there or have failed. A firewall does so by itself; here it
// happens when asked, so that nothing moves behind a test's back.
func (l Lists) Fetch() {
	l.s.mu.Lock()
	fetch := l.s.lists.Due()
	l.s.mu.Unlock()
	fetch(l.s.life.ctx)
}

// Traffic is what passes through the firewall.
type Traffic struct{ s *Sim }

// Traffic gives the traffic.
func (s *Sim) Traffic() Traffic { return Traffic{s} }

// Packet has the firewall decide about a new session, by the policy that runs now, and write the logs that it would
// write. A packet of a virtual system that does not exist, or without both addresses, is nothing to decide about:
// the Verdict is zero. So it is where no traffic is forwarded: by a member of a pair that is not the active one, by a
// firewall that restarts, until it has started, and by a Panorama.
//
// Not simulated: address translation, decryption, zone and DoS protection, countries, URL categories and host profiles (a
// rule with one never matches), how policy changes and ends of schedules reach sessions that stand already (they go on
// until they are cleared), and that a pair hands sessions over.
func (t Traffic) Packet(p traffic.Packet) traffic.Verdict {
	s := t.s
	s.mu.Lock()
	changes := s.registry.Expire()
	var verdict traffic.Verdict
	var lines []logs.Line
	if t.forwarded() {
		verdict, lines = s.plane.Packet(p)
	}
	s.mu.Unlock()
	s.tell(changes)
	s.forwarder.Deliver(lines)
	return verdict
}

// Login has somebody try to log in to the firewall, and gives how many log lines were sent. A firewall that restarts, or
// stands by in a pair, writes none.
func (t Traffic) Login(vsys string, l logs.Login) int {
	t.s.mu.Lock()
	var lines []logs.Line
	if t.forwarded() {
		lines = t.s.plane.Login(vsys, l)
	}
	t.s.mu.Unlock()
	t.s.forwarder.Deliver(lines)
	return len(lines)
}

// forwarded says whether packets pass through the firewall at all.
func (t Traffic) forwarded() bool {
	m := t.s.seat.Load()
	return t.s.panorama == nil && (m == nil || m.active.Load()) && t.s.boot.forwards()
}

// EndSession ends a session as its two sides do, which is logged; false: there is none of that number.
func (t Traffic) EndSession(id uint32) bool {
	t.s.mu.Lock()
	lines, ok := t.s.plane.EndSession(id)
	t.s.mu.Unlock()
	t.s.forwarder.Deliver(lines)
	return ok
}

// Sessions gives the numbers of the sessions that stand, oldest first.
func (t Traffic) Sessions() []uint32 {
	t.s.mu.Lock()
	defer t.s.mu.Unlock()
	return slices.Clone(t.s.plane.Sessions())
}

// Rules gives the security rules of a virtual system ("" is the first) that run, in the order in which they are
// tried, with those that Panorama pushed; the default rules at the end are left out. An unknown one has none.
func (t Traffic) Rules(vsys string) []traffic.Rule {
	t.s.mu.Lock()
	defer t.s.mu.Unlock()
	return t.s.policies.Rules(t.s.registry.Name(vsys))
}

// Lease has a DHCP server give an interface an address, with the length of its network; the zero Prefix takes it away. It has
// no effect on an interface whose configuration does not ask for one.
func (s *Sim) Lease(name string, address netip.Prefix) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.network.Lease(name, address)
}

// Learn gives a virtual router a default route by a routing protocol, which leaves by an interface; "" takes it away.
func (s *Sim) Learn(router, by string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.network.Learn(router, by)
}
