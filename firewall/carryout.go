package firewall

import (
	"net/netip"
	"slices"
	"time"

	"activedefense/firewall/xmlapi"
)

const (
	// maxAgain bounds the messages of one pass that are sent again because of an answer: finding one bad address
	// among 1000 takes about 20.
	maxAgain = 64
	// replaceBatch is how many registrations are taken away and made anew at a time. They do not stand for the time
	// of two calls.
	replaceBatch = 100
)

// outgoing is one message of a changeset.
type outgoing struct {
	do      func([]change) error
	changes []change
}

// carryOut makes the changes. Registrations and removals take turns, newest blocks first, so that neither an attack
// nor a release waits for a backlog of the other; renewals, which have days of time, come last.
func (p *pass) carryOut(changes changeset) error {
	removals := make([]change, len(changes.Unregister))
	for i, prefix := range changes.Unregister {
		removals[i] = change{Prefix: prefix}
	}
	for i, m := range p.messages(changes, removals) {
		// The first of each kind goes out always, so that a slow firewall gets in sync too.
		if i > 1 && p.late() {
			p.report.Backlog += len(m.changes)
			continue
		}
		p.wrote = true
		if err := m.do(m.changes); err != nil {
			return err
		}
	}
	return nil
}

// late tells whether this pass has had its time.
func (p *pass) late() bool {
	limit := p.f.opts.PassTime
	return limit > 0 && time.Since(p.began) > limit
}

func (p *pass) messages(changes changeset, removals []change) []outgoing {
	size := p.f.batch
	var out []outgoing
	register, remove := slices.Collect(slices.Chunk(changes.Register, size)), slices.Collect(slices.Chunk(removals, size))
	for i := range max(len(register), len(remove)) {
		if i < len(register) {
			out = append(out, outgoing{p.register, register[i]})
		}
		if i < len(remove) {
			out = append(out, outgoing{p.unregister, remove[i]})
		}
	}
	var again, anew []change
	for _, c := range changes.Renew {
		// What stands for an unknown time may stand for ever, and no source says that registering it again always
		// gives it an end.
		if p.f.replaces || p.f.held[c.Prefix].Until.IsZero() {
			anew = append(anew, c)
		} else {
			again = append(again, c)
		}
	}
	for part := range slices.Chunk(again, size) {
		out = append(out, outgoing{p.renew, part})
	}
	for part := range slices.Chunk(anew, min(size, replaceBatch)) {
		out = append(out, outgoing{p.replace, part})
	}
	return out
}

func (p *pass) register(changes []change) error {
	standing, err := p.settle(true, changes, func(c change) { p.holds(c, &p.report.Registered) })
	if err != nil {
		return err
	}
	// They stood before we knew, and it is not certain that they took our timeout.
	return p.replaceAll(standing)
}

func (p *pass) renew(changes []change) error {
	standing, err := p.settle(true, changes, func(c change) { p.holds(c, &p.report.Renewed) })
	if err != nil || len(standing) == 0 {
		return err
	}
	// No source says whether a firewall that answers "already exists" restarts the timeout; so it is made certain,
	// here and from now on.
	p.f.replaces = true
	return p.replaceAll(standing)
}

func (p *pass) replaceAll(changes []change) error {
	for part := range slices.Chunk(changes, replaceBatch) {
		if err := p.replace(part); err != nil {
			return err
		}
	}
	return nil
}

// replace renews by removing and registering, in two messages, since the order within one is not documented.
func (p *pass) replace(changes []change) error {
	var removed []change
	done := func(c change) {
		p.f.forget(c.Prefix)
		removed = append(removed, c)
	}
	gone, err := p.settle(false, changes, done)
	if err != nil {
		return err
	}
	for _, c := range gone {
		done(c)
	}
	standing, err := p.settle(true, removed, func(c change) { p.holds(c, &p.report.Renewed) })
	for _, c := range standing {
		// Registered by somebody else between the two messages: when it ends is unknown, and the next pass sees to
		// that.
		p.f.held[c.Prefix] = registration{Persistent: true}
	}
	return err
}

func (p *pass) unregister(changes []change) error {
	if err := p.f.takeAlong(p.ctx, changes); err != nil {
		return err
	}
	done := func(c change) {
		p.f.forget(c.Prefix)
		p.report.Unregistered = append(p.report.Unregistered, c.Prefix)
	}
	gone, err := p.settle(false, changes, done)
	for _, c := range gone {
		done(c)
	}
	return err
}

// holds records that the firewall holds c from now on.
func (p *pass) holds(c change, list *[]Entry) {
	until := p.sentAt.Add(c.Timeout)
	if _, stood := p.f.held[c.Prefix]; !stood {
		p.f.unread.since[c.Prefix] = p.sentAt
	}
	p.f.held[c.Prefix] = registration{Until: until, Persistent: true, unrenewed: p.f.held[c.Prefix].Until}
	*list = append(*list, Entry{Prefix: c.Prefix, Until: until})
}

// part is a piece of a message that has to be sent.
type part struct {
	changes []change
	again   bool // the rest of a message in which other addresses were found fault with
}

// settlement is the state of one call of settle.
type settlement struct {
	register bool
	queue    []part
	already  []change
	done     func(change)
}

// settle sends changes until it is certain of each what became of it: done (told at once), already so (returned),
// or refused for a reason of its own.
//
// What an answer that finds fault with some addresses means for the others of the same message differs between
// versions: done, or the whole message rejected. So the others are sent again, which does no harm: now they are
// done, or all answered as already so, which then is our doing. A message that is rejected without naming an
// address is halved until the bad one is alone.
func (p *pass) settle(register bool, changes []change, done func(change)) (already []change, err error) {
	s := &settlement{register: register, queue: []part{{changes: changes}}, done: done}
	for first := true; len(s.queue) > 0; first = false {
		next := s.queue[len(s.queue)-1]
		s.queue = s.queue[:len(s.queue)-1]
		if len(next.changes) == 0 {
			continue
		}
		if !first {
			if p.spent++; p.spent > maxAgain {
				return s.already, p.f.device.Fail(verb(register), errTooManyFaults())
			}
		}
		p.sentAt = p.f.now()
		entries, clean, err := p.f.send(p.ctx, register, next.changes)
		switch {
		case err != nil && !xmlapi.Rejected(err):
			return s.already, err
		case err != nil:
			p.narrow(s, next, err.(*xmlapi.Error))
		case clean:
			for _, c := range next.changes {
				done(c)
			}
		default:
			p.sortOut(s, next, entries)
		}
	}
	return s.already, nil
}

// sortOut sorts a message by what was said about its addresses.
func (p *pass) sortOut(s *settlement, sent part, entries []named) {
	rest, faults := split(sent.changes, entries)
	if len(faults) == 0 {
		p.narrow(s, sent, &xmlapi.Error{Kind: xmlapi.KindAPI, Text: "the firewall reported an error without naming an address"})
		return
	}
	for _, fault := range faults {
		switch {
		case !harmless(s.register, fault.text):
			p.refuse(fault.Prefix, fault.text)
		case sent.again && len(rest) == 0:
			s.done(fault.change)
		default:
			s.already = append(s.already, fault.change)
		}
	}
	s.queue = append(s.queue, part{rest, true})
}

// narrow halves a message that was rejected as a whole, or refuses what cannot be halved. At the platform's limit
// it makes no difference which address it is.
func (p *pass) narrow(s *settlement, sent part, reason *xmlapi.Error) {
	const fewEnough = 256
	half := len(sent.changes) / 2
	if half == 0 || reason.Kind == xmlapi.KindCapacity && len(sent.changes) <= fewEnough {
		for _, c := range sent.changes {
			p.refuse(c.Prefix, reason.Text)
		}
		return
	}
	s.queue = append(s.queue, part{changes: sent.changes[half:]}, part{changes: sent.changes[:half]})
}

func errTooManyFaults() *xmlapi.Error {
	return &xmlapi.Error{Kind: xmlapi.KindAPI, Text: "the firewall rejected more addresses than can be isolated in one pass"}
}

func verb(register bool) string {
	if register {
		return CallRegister
	}
	return CallUnregister
}

// fault is a change that an answer finds fault with.
type fault struct {
	change
	text string
}

// split parts changes into those that entries name and the rest.
func split(changes []change, entries []named) (rest []change, faults []fault) {
	texts := make(map[netip.Prefix]string, len(entries))
	for _, n := range entries {
		// An address can be named twice; a real reason goes before a harmless one.
		if old, twice := texts[n.prefix]; !twice || harmless(true, old) || harmless(false, old) {
			texts[n.prefix] = n.text
		}
	}
	for _, c := range changes {
		if text, ok := texts[c.Prefix]; ok {
			faults = append(faults, fault{c, text})
		} else {
			rest = append(rest, c)
		}
	}
	return rest, faults
}
