package firewall

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"activedefense/firewall/room"
)

const (
	// madeWay is why an entry does not stand that did: another has its place.
	madeWay = "left out for want of room"
	// inVain is why an entry is not tried again before the next full pass: room was made, and it was refused all the same.
	inVain = "refused although room was made for it"
	// manyRefused is how many refusals of one pass, whatever the firewall says, are taken for want of room.
	manyRefused = 10
	// settled is how much later the source of an entry must have been seen, for it to take the place of one of the same rank:
	// two that go on would change places for ever.
	settled = 10 * time.Minute
)

// wantsRoom tells whether a refusal says that the firewall is full.
func wantsRoom(text string) bool {
	return text == notHeld || text == madeWay || strings.Contains(strings.ToLower(text), "for the platform reached")
}

// sayFull tells whether refusals say that the firewall is full.
func sayFull(texts []string) bool {
	return len(texts) >= manyRefused || slices.ContainsFunc(texts, wantsRoom)
}

func (e *Entry) claim() room.Claim { return room.Claim{Rank: e.Rank, LastSeen: e.LastSeen} }

// displace chooses which of the waiting entries come in where there is room for most, and which of those that stand make
// way for them: at most so many as allowed. Those that come in are in order of their claims, and behind those that find
// room each has the place of one that goes out.
func displace(standing, waiting []Entry, most, allowed int) (out, in []Entry) {
	slices.SortFunc(waiting, func(a, b Entry) int {
		return cmp.Or(b.claim().Compare(a.claim()), b.Since.Compare(a.Since), ComparePrefixes(a.Prefix, b.Prefix))
	})
	slices.SortFunc(standing, func(a, b Entry) int {
		return cmp.Or(a.claim().Compare(b.claim()), ComparePrefixes(a.Prefix, b.Prefix))
	})
	free := min(max(most-len(standing), 0), len(waiting))
	in = append(in, waiting[:free]...)
	for i, e := range waiting[free:] {
		if i >= min(len(standing), allowed) {
			break
		}
		last := standing[i].claim()
		last.LastSeen = last.LastSeen.Add(settled)
		if e.claim().Compare(last) <= 0 {
			break
		}
		out, in = append(out, standing[i]), append(in, e)
	}
	return out, in
}

// await keeps what is new from being sent to a firewall that is full, or would be: makeRoom decides about it. Some versions
// accept what they do not register, so that only reading back would show that it does not stand.
func (p *pass) await(changes *changeset) {
	f := p.f
	if most, known := f.most(p.report.Full); known && (f.full || len(f.held)-len(changes.Unregister)+len(changes.Register) > most) {
		f.full, f.room, p.planned = true, most, true
	}
	if !f.full || len(f.held) == 0 && !p.planned {
		return
	}
	for _, c := range changes.Register {
		if f.refused[c.Prefix] == "" {
			f.refused[c.Prefix] = madeWay
		}
	}
	changes.Register = nil
}

// makeRoom has what is worth more take the place of what is worth less, where the firewall does not take all: of what stands
// no more goes at once than the brake lets go of.
func (p *pass) makeRoom(desired []Entry) error {
	f := p.f
	p.judgeRoom()
	standing, waiting := p.contenders(desired)
	if len(waiting) == 0 {
		return nil
	}
	most := len(standing)
	if f.full {
		most = max(f.room-(len(f.held)-len(standing)), 0)
	}
	free := max(most-len(standing), 0)
	out, in := displace(standing, waiting, most, max(brakeFrom, f.opts.MaxRemovalPercent*len(f.held)/100))
	went, came, err := p.exchange(out, in)
	if err == nil && p.report.Full && came > 0 {
		err = p.confirm()
	}
	if err != nil {
		return err
	}
	p.coming = PrefixSet(in[came:])
	if p.planned {
		free = min(free, came)
		p.learnRoom(in[:free])
		return p.returnThose(out[:went], in[free:came])
	}
	return p.returnThose(out[:went], in[:came])
}

// exchange takes entries from the firewall and registers others, in turns, as far as the pass has time: it gives how many, one
// message's at least.
// There is room for the first of those that come in before anything goes.
func (p *pass) exchange(out, in []Entry) (went, came int, err error) {
	p.wrote = p.wrote || len(in) > 0
	for free := len(in) - len(out); came < len(in); {
		if came > 0 && p.late() {
			p.report.Backlog += len(in) - came
			return went, came, nil
		}
		n := min(p.f.batch, len(in)-came)
		goes := n - min(free, n)
		free -= n - goes
		if err := p.letGo(out[went : went+goes]); err != nil {
			return went, came, err
		}
		went += goes
		if err := p.comeIn(in[came : came+n]); err != nil {
			return went, came, err
		}
		came += n
	}
	return went, came, nil
}

// returnThose has as many return of those that made way as did so for nothing, the best of them.
func (p *pass) returnThose(out, in []Entry) error {
	failed, came := 0, PrefixSet(in)
	for i, r := range p.report.Refused {
		if came[r.Prefix] {
			p.f.refused[r.Prefix], p.report.Refused[i].Message = inVain, inVain+": "+r.Message
			failed++
		}
	}
	return p.comeIn(out[max(len(out)-failed, 0):])
}

// learnRoom notes how much a firewall took that was to have room for more: free is what was sent into that room. What it
// refused waits for room that others leave.
func (p *pass) learnRoom(free []Entry) {
	f := p.f
	var texts []string
	for _, e := range free {
		if text := f.refused[e.Prefix]; text != "" {
			texts = append(texts, text)
		}
	}
	switch {
	case sayFull(texts):
		f.learned, f.room = true, len(f.held)
	case p.report.Full:
		f.learned = false
	}
}

// judgeRoom decides by what was refused whether the firewall is full, and how much of ours it holds then.
func (p *pass) judgeRoom() {
	f := p.f
	if f.full {
		return
	}
	if f.full = sayFull(slices.Collect(maps.Values(f.refused))); f.full {
		f.room = len(f.held)
	}
}

// contenders gives what is desired and stands, and what is desired and was refused.
func (p *pass) contenders(desired []Entry) (standing, waiting []Entry) {
	f := p.f
	if len(f.refused) == 0 {
		return nil, nil
	}
	seen := make(map[netip.Prefix]bool, len(desired))
	for _, e := range desired {
		prefix, ok := Normalize(e.Prefix)
		if !ok || seen[prefix] {
			continue
		}
		seen[prefix] = true
		e.Prefix = prefix
		switch text := f.refused[prefix]; {
		case text != "" && text != inVain:
			waiting = append(waiting, e)
		case text != "":
		default:
			if _, stands := f.held[prefix]; stands {
				standing = append(standing, e)
			}
		}
	}
	return standing, waiting
}

// letGo takes entries from the firewall that others are to have the place of.
func (p *pass) letGo(out []Entry) error {
	removed := func(c change) {
		p.f.forget(c.Prefix)
		p.report.Unregistered = append(p.report.Unregistered, c.Prefix)
		p.f.refused[c.Prefix] = madeWay
	}
	changes := p.changes(out)
	if err := p.f.takeAlong(p.ctx, changes); err != nil {
		return err
	}
	gone, err := p.settle(false, changes, removed)
	for _, c := range gone {
		removed(c)
	}
	return err
}

// comeIn registers what was refused or left out until now.
func (p *pass) comeIn(in []Entry) error {
	coming := PrefixSet(in)
	for prefix := range coming {
		delete(p.f.refused, prefix)
	}
	p.report.Refused = slices.DeleteFunc(p.report.Refused, func(r Refused) bool { return coming[r.Prefix] })
	for part := range slices.Chunk(p.changes(in), p.f.batch) {
		if err := p.register(part); err != nil {
			return err
		}
	}
	p.report.Unregistered = slices.DeleteFunc(p.report.Unregistered, func(prefix netip.Prefix) bool {
		_, stands := p.f.held[prefix]
		return coming[prefix] && stands
	})
	return nil
}

// changes gives entries as they are registered.
func (p *pass) changes(entries []Entry) (list []change) {
	l := limits{Now: p.f.now(), MaxTimeout: maxTagTimeout}
	for _, e := range entries {
		list = append(list, change{e.Prefix, l.timeout(e.Until)})
	}
	return list
}

// leftOut gives what is desired and does not stand for want of room, each once.
func (p *pass) leftOut(desired []Entry) (list []netip.Prefix) {
	if len(p.f.refused) == 0 {
		return nil
	}
	for _, e := range desired {
		prefix, ok := Normalize(e.Prefix)
		if text := p.f.refused[prefix]; ok && text != "" && !p.coming[prefix] && text != inVain && (p.f.full || wantsRoom(text)) {
			list = append(list, prefix)
		}
	}
	slices.SortFunc(list, ComparePrefixes)
	return slices.Compact(list)
}
