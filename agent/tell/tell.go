// Package tell says of troubles that they have begun and that they are over: in the log, and as notices, each once, over restarts too. It looks for none
// itself, and delivers nothing.
package tell

import (
	"context"
	"crypto/rand"
	"time"

	"github.com/rs/zerolog"

	"activedefense/agent/notify"
	"activedefense/agent/trouble"
	"activedefense/store"
)

const (
	every = 5 * time.Second // it is looked whether there is a trouble to tell of
	// withoutStore is how long it is waited at a start for what was told before.
	withoutStore = time.Minute
)

// A Teller tells troubles. Its fields are set before Run.
type Teller struct {
	Look    func() ([]trouble.Trouble, trouble.Seen) // what stands, and what was seen
	Notices *notify.Notifier
	Log     zerolog.Logger

	news   trouble.News
	known  bool                         // what was told before this run
	told   map[string]store.ToldTrouble // to have begun, by Key
	unkept []store.ToldTrouble          // what the store does not know of yet, in its order
}

// Run looks for them until ctx ends.
func (t *Teller) Run(ctx context.Context) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			t.Once(ctx)
		}
	}
}

// Once looks for them now.
func (t *Teller) Once(ctx context.Context) {
	all, seen := t.Look()
	begun, over := t.news.Of(all)
	for _, one := range begun {
		t.Log.Warn().Time("since", one.Since).Str("remedy", one.Remedy).Msg(one.What)
	}
	for _, one := range over {
		t.Log.Info().Time("since", one.Since).Msg("over: " + one.What)
	}
	if t.Notices.Any() {
		t.notify(ctx, all, &seen)
	}
}

// notify writes the notices. Where the store cannot be written they are delivered without it, and written when it can.
func (t *Teller) notify(ctx context.Context, all []trouble.Trouble, seen *trouble.Seen) {
	if t.told == nil {
		t.told = make(map[string]store.ToldTrouble)
	}
	if !t.known {
		var list []store.ToldTrouble
		if list, t.known = t.Notices.Troubles(ctx); t.known {
			for _, one := range list {
				if _, again := t.told[one.Key]; !again {
					t.told[one.Key] = one
				}
			}
		}
	}
	now, stands := seen.Now, make(map[string]bool)
	var news []store.ToldTrouble
	for i := range all {
		one := &all[i]
		key := one.Key()
		if _, told := t.told[key]; told || stands[key] {
			stands[key] = true
			continue
		}
		if stands[key] = true; now.Sub(one.Since) < lasting[one.Kind()] || !t.known && one.Kind() != "store" && now.Sub(seen.Started) < withoutStore {
			continue
		}
		news = append(news, store.ToldTrouble{Key: key, Notice: store.Notice{ID: rand.Text(), Event: eventOf(one.Kind()), Time: now, Since: one.Since, Subject: one.What, Remedy: one.Remedy}})
	}
	for key, one := range t.told {
		if !stands[key] && !seen.Unsure(key) {
			n := one.Notice
			news = append(news, store.ToldTrouble{Key: key, Notice: store.Notice{ID: rand.Text(), Event: endOf(n.Event), Time: now, Since: n.Since, Over: true, Subject: "over: " + n.Subject}})
		}
	}
	t.write(ctx, news)
}

// mostUnkept bounds what is kept for a store that is away. What is beyond it was delivered without.
const mostUnkept = 1000

// write stores what is told, and what could not be stored before.
func (t *Teller) write(ctx context.Context, news []store.ToldTrouble) {
	for _, one := range news {
		if one.Notice.Over {
			delete(t.told, one.Key)
		} else {
			t.told[one.Key] = one
		}
	}
	if t.unkept = append(t.unkept, news...); len(t.unkept) == 0 {
		return
	}
	if t.known && t.Notices.TellTroubles(ctx, t.unkept) == nil {
		t.unkept = nil
		return
	}
	if ctx.Err() != nil {
		return
	}
	t.unkept = t.unkept[max(0, len(t.unkept)-mostUnkept):]
	for _, one := range news { // once each: the store gives it the same id
		t.Notices.Tell(one.Notice)
	}
}

// lasting is how long troubles must stand that a moment can bring, such as a rotation; others have waited when they are troubles.
var lasting = map[string]time.Duration{"lag": time.Minute, "input": 30 * time.Second, "key-expiry": 30 * time.Second, "times": 30 * time.Second}

// events are those of the kinds of troubles, and of their ends where these have one of their own.
var events = map[string][2]string{
	"firewall-down": {"firewall-down", "firewall-up"},
	"verify-failed": {"verify-failed", "verify-passed"},
	"input-silent":  {"input-silent", "input-back"},
	"input":         {"input-silent", "input-back"}, // what cannot be read is not heard
	"paused":        {"paused", "resumed"},
	"lag":           {"lag", "lag"},
	"brake":         {"brake", "brake"},
	"capacity":      {"capacity", "capacity"}, "refused": {"capacity", "capacity"},
	"certificate": {"certificate", "certificate"}, "key-expiry": {"key-expiry", "key-expiry"},
	"reload-refused": {"reload-refused", "reload-refused"},
	"store":          {"store", "store"},
	"list":           {"list-unfetched", "list-unfetched"}, "list-unfetched": {"list-unfetched", "list-unfetched"},
	"clock": {"clock", "clock"}, "times": {"clock", "clock"},
}

// eventOf is the event of a kind of trouble; "notice" of one that has none of its own.
func eventOf(kind string) string {
	if e, own := events[kind]; own {
		return e[0]
	}
	return "notice"
}

// endOf is the event of the end of a trouble.
func endOf(event string) string {
	if e, own := events[event]; own {
		return e[1]
	}
	return event
}
