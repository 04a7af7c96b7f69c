package userid

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"activedefense/firewall/panosim/dialect"
)

// step is one entry of a message, with what was decided about it.
type step struct {
	entry
	register bool

	target   target
	take     []wish   // tags to set or take off
	messages []string // what the answer says about the entry
}

func (st *step) ip() string {
	if st.IP == nil {
		return ""
	}
	return *st.IP
}

// wish is one tag of an entry that will be carried out.
type wish struct {
	tag     string
	timeout time.Duration // 0: none
}

// judge decides what becomes of every entry before anything is changed: some dialects reject a whole message for
// one entry of it. It keeps the effects of the steps so far in drafts over the table.
type judge struct {
	table   *table
	dialect *dialect.Dialect
	version dialect.Version
	room    int // addresses that still fit
	full    bool
	drafts  map[target]map[string]bool // tags that will stand, of the addresses touched
	reject  bool
}

// newJudge begins with the table as it stands.
func (g *Registry) newJudge(t *table) *judge {
	return &judge{table: t, dialect: g.o.Dialect, version: g.o.Version, room: g.o.MaxRegistered - g.Count(), drafts: map[target]map[string]bool{}}
}

// judge fills in the steps. rejected: nothing shall be applied. An error refuses the message without naming
// entries.
func (j *judge) judge(steps []step) (rejected bool, err error) {
	for i := range steps {
		if err := j.entry(&steps[i]); err != nil {
			return true, err
		}
	}
	return j.reject, nil
}

// entry decides about one.
func (j *judge) entry(st *step) error {
	if st.IP == nil {
		return errMalformed
	}
	var err error
	if st.target, err = parseTarget(*st.IP, j.version.AtLeast(10, 0)); err != nil {
		j.bad(st, "ip "+*st.IP+" "+err.Error())
		return nil
	}
	if st.register {
		return j.registering(st)
	}
	j.unregistering(st)
	return nil
}

// bad notes an entry that cannot be taken.
func (j *judge) bad(st *step, text string) {
	st.take = nil
	st.messages = append(st.messages, text)
	j.reject = j.reject || j.dialect.BadEntry == dialect.BadEntryRejected
}

// draft gives the tags that the address will have after the steps so far.
func (j *judge) draft(what target) map[string]bool {
	tags, ok := j.drafts[what]
	if !ok {
		tags = map[string]bool{}
		if a := j.table.addresses[what]; a != nil {
			for _, r := range a.tags {
				tags[r.tag.name] = true
			}
		}
		j.drafts[what] = tags
	}
	return tags
}

// registering decides about the tags of a register entry.
func (j *judge) registering(st *step) error {
	if len(st.Tags) == 0 {
		j.bad(st, "Failed to register ip "+st.ip()+": no tag given")
		return nil
	}
	tags := j.draft(st.target)
	added, repeats := 0, 0
	for _, m := range st.Tags {
		timeout, err := j.timeout(m)
		if errors.Is(err, errMalformed) {
			return err
		}
		switch {
		case err != nil:
			j.bad(st, err.Error())
			return nil
		case m.Name == "" || len(m.Name) > j.dialect.TagLength.Bytes():
			j.bad(st, fmt.Sprintf("tag %s is invalid: 1 to %d characters", m.Name, j.dialect.TagLength.Bytes()))
			return nil
		case tags[m.Name] || wished(st.take, m.Name):
			j.repeated(st, j.dialect.Duplicates, "tag "+m.Name+" already exists, ignore")
			repeats++
			if j.dialect.Renewal == dialect.RenewalResets {
				st.take = append(st.take, wish{m.Name, timeout})
			}
			continue
		case len(tags)+added >= MaxTags:
			j.bad(st, fmt.Sprintf("Failed to register tag %s: ip %s has %d tags", m.Name, st.ip(), MaxTags))
			return nil
		}
		st.take = append(st.take, wish{m.Name, timeout})
		added++
	}
	if repeats > 0 && j.dialect.Duplicates == dialect.LegacyEntrySkipped {
		st.take = onlyStanding(st.take, tags)
	}
	j.admit(st, tags)
	return nil
}

// wished says whether the entry has named the tag before.
func wished(wishes []wish, tag string) bool {
	return slices.ContainsFunc(wishes, func(w wish) bool { return w.tag == tag })
}

// onlyStanding leaves of an entry that is skipped the renewal of what stands.
func onlyStanding(wishes []wish, tags map[string]bool) []wish {
	var kept []wish
	for _, w := range wishes {
		if tags[w.tag] {
			kept = append(kept, w)
		}
	}
	return kept
}

// admit takes the wishes into the draft, unless the platform is full.
func (j *judge) admit(st *step, tags map[string]bool) {
	if len(st.take) == 0 {
		return
	}
	if len(tags) == 0 {
		if j.room <= 0 {
			j.full = true
			st.take = nil
			if j.dialect.Limit == dialect.LimitPerEntryError {
				st.messages = append(st.messages, "Failed to register ip "+st.ip())
			}
			return
		}
		j.room--
	}
	for _, w := range st.take {
		tags[w.tag] = true
	}
}

// repeated notes a tag that stands or does not stand already.
func (j *judge) repeated(st *step, how dialect.Repeat, text string) {
	if how == dialect.Modern {
		return
	}
	st.messages = append(st.messages, text)
	j.reject = j.reject || how == dialect.LegacyMessageRejected
}

// unregistering decides about the tags of an unregister entry.
func (j *judge) unregistering(st *step) {
	tags := j.draft(st.target)
	if len(tags) == 0 {
		j.repeated(st, j.dialect.Missing, "ip "+st.ip()+" does not exist, ignore unreg")
		return
	}
	if len(st.Tags) == 0 {
		if j.dialect.Bare == dialect.BareRefused {
			j.bad(st, "Failed to unregister ip "+st.ip()+": no tag given")
			return
		}
		for _, tag := range slices.Sorted(maps.Keys(tags)) {
			st.take = append(st.take, wish{tag: tag})
		}
	}
	missing := 0
	for _, m := range st.Tags {
		if !tags[m.Name] || wished(st.take, m.Name) {
			j.repeated(st, j.dialect.Missing, "tag "+m.Name+" does not exist, ignore unreg")
			missing++
			continue
		}
		st.take = append(st.take, wish{tag: m.Name})
	}
	if missing > 0 && j.dialect.Missing == dialect.LegacyEntrySkipped {
		st.take = nil
	}
	for _, w := range st.take {
		delete(tags, w.tag)
	}
	if len(tags) == 0 {
		j.room++
	}
}

// timeout reads the attribute, which PAN-OS knows from 9.0 on.
func (j *judge) timeout(m member) (time.Duration, error) {
	if m.Timeout == nil {
		return 0, nil
	}
	if !j.version.AtLeast(9, 0) {
		if j.dialect.OldTimeout == dialect.OldTimeoutMalformed {
			return 0, errMalformed
		}
		return 0, nil
	}
	const most = int64(MaxTimeout / time.Second)
	seconds, err := strconv.ParseInt(*m.Timeout, 10, 64)
	if err == nil && seconds >= 0 && seconds <= most {
		return time.Duration(seconds) * time.Second, nil
	}
	switch {
	case j.dialect.Timeout == dialect.LongTimeoutMalformed:
		return 0, errMalformed
	case j.dialect.Timeout == dialect.LongTimeoutRefused:
		return 0, fmt.Errorf("timeout %s of tag %s is invalid: 0 to %d", *m.Timeout, m.Name, most)
	case err == nil && seconds > most:
		return MaxTimeout, nil
	}
	return 0, nil
}
