package firewall

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"activedefense/firewall/xmlapi"
)

// RuleTags keeps what Tags keeps, and beside it the tags of rules: an entry that has a Tag bears it as well as the one that all
// bear, as long as that and no longer. Like Tags, it owns each of them alone.
//
// To block comes first: the tags of rules are put on when nothing is left to do for the one of all, and only on what bears that
// one, so that they take nobody's room. The brake counts sources: while it holds, no tag of a rule is taken away from what may be blocked, and where it
// does not, they go with their sources.
type RuleTags struct {
	all   *Tags
	rules []*Tags // in the order of the tags; all has them beside it
	owed  bool    // a full pass over the tags of rules
}

// NewRuleTags checks the options. It makes no call. Tags that are the one of all, or come twice, are passed over.
func NewRuleTags(d *xmlapi.Device, opts TagOptions, rules []string) (*RuleTags, error) {
	all, err := NewTags(d, opts)
	if err != nil {
		return nil, err
	}
	rules = slices.Clone(rules)
	slices.Sort(rules)
	t := &RuleTags{all: all}
	opts.MaxRemovalPercent = 100
	for _, tag := range slices.Compact(rules) {
		if tag == all.opts.Tag {
			continue
		}
		opts.Tag = tag
		rule, err := NewTags(d, opts)
		if err != nil {
			return nil, fmt.Errorf("tag %q of a rule: %w", tag, err)
		}
		rule.platform.aside = true
		t.rules = append(t.rules, rule)
	}
	all.beside = t.rules
	return t, nil
}

// Restore is that of Tags. Until when the tags of rules stand is not told by anybody: they were made with that of all.
func (t *RuleTags) Restore(until map[netip.Prefix]time.Time) {
	t.all.Restore(until)
	for _, rule := range t.rules {
		rule.Restore(until)
	}
}

// Count is that of Tags, of the tag that all bear.
func (t *RuleTags) Count(ctx context.Context) (int, error) { return t.all.Count(ctx) }

// Reconcile makes one pass, as that of Tags does. The Report is of the tag that all bear; of the tags of rules it has in Untagged
// what the firewall did not take, and Backlog, Calls and Took count them.
func (t *RuleTags) Reconcile(ctx context.Context, desired []Entry, full bool) (Report, error) {
	began := time.Now()
	report, err := t.all.Reconcile(ctx, desired, full)
	t.owed = t.owed || full || len(report.Gone) > 0 // what lost the one lost the other
	if err != nil || report.Backlog > 0 || len(t.rules) == 0 {
		return report, err
	}
	full, t.owed = t.owed, false
	wanted := t.all.wanted(withMembers(desired))
	var failed []error
	for _, rule := range t.rules {
		r, err := rule.Reconcile(ctx, rule.standingToo(wanted[rule.opts.Tag], report.Braked != nil), full)
		if err != nil {
			failed = append(failed, fmt.Errorf("tag %q of a rule: %w", rule.opts.Tag, err))
			if ctx.Err() != nil {
				break
			}
		}
		report.Calls, report.Backlog = report.Calls+r.Calls, report.Backlog+r.Backlog
		for _, x := range r.Refused {
			report.Untagged = append(report.Untagged, Refused{x.Prefix, rule.opts.Tag + ": " + x.Message})
		}
	}
	report.Took = time.Since(began)
	return report, errors.Join(failed...)
}

// wanted gives, by tag, the entries that are to bear the tag of their rule: those that bear the one of all.
func (f *Tags) wanted(desired []Entry) map[string][]Entry {
	f.mu.Lock()
	defer f.mu.Unlock()
	wanted := make(map[string][]Entry)
	for _, e := range desired {
		if e.Tag == "" {
			continue
		}
		p, _ := Normalize(e.Prefix)
		if _, stands := f.held[p]; stands {
			wanted[e.Tag] = append(wanted[e.Tag], e)
		}
	}
	return wanted
}

// standingToo adds to what is desired what stands, if nothing may go but what may not be blocked.
func (f *Tags) standingToo(desired []Entry, all bool) []Entry {
	if !all {
		return desired
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	have := PrefixSet(desired)
	for p, r := range f.held {
		if !have[p] && mayBlock(f.opts.MayBlock).allows(p) {
			desired = append(desired, Entry{Prefix: p, Until: r.Until})
		}
	}
	return desired
}

// takeAlong takes the tags of rules from addresses that are about to lose the one of all: one that kept a tag would keep its room.
func (f *Tags) takeAlong(ctx context.Context, changes []change) error {
	for _, rule := range f.beside {
		if err := rule.drop(ctx, changes); err != nil {
			return err
		}
	}
	return nil
}

// drop takes the tag from those of the addresses that bear it.
func (f *Tags) drop(ctx context.Context, changes []change) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	mine := slices.DeleteFunc(slices.Clone(changes), func(c change) bool {
		_, stands := f.held[c.Prefix]
		return !stands
	})
	for part := range slices.Chunk(mine, f.batch) {
		if err := (&pass{f: f, ctx: ctx, began: time.Now()}).unregister(part); err != nil {
			f.stale = true
			return err
		}
	}
	return nil
}
