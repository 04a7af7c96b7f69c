package userid

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"activedefense/firewall/panosim/answer"
	"activedefense/firewall/panosim/dialect"
	"activedefense/firewall/panosim/xmltree"
)

// number is an item of a sequence.
type number struct{ value, at int }

func (n *number) place(at int) { n.at = at }

func TestSequenceAgainstSlice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var q sequence[*number]
		var model []*number
		for i := range rapid.IntRange(0, 4*blockSize).Draw(t, "size") {
			n := &number{value: i}
			q.add(n)
			model = append(model, n)
		}
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				n := &number{value: -len(model)}
				q.add(n)
				model = append(model, n)
			},
			"remove": func(t *rapid.T) {
				if len(model) == 0 {
					return
				}
				first := rapid.IntRange(0, len(model)-1).Draw(t, "first")
				last := min(len(model), first+rapid.IntRange(1, 2*blockSize).Draw(t, "count"))
				for _, n := range model[first:last] {
					q.remove(n.at)
				}
				model = slices.Delete(model, first, last)
			},
			"": func(t *rapid.T) {
				n := rapid.IntRange(-1, len(model)+1).Draw(t, "n")
				limit := rapid.IntRange(0, 600).Draw(t, "limit")
				var want []*number
				if n >= 0 && n < len(model) {
					want = model[n:min(len(model), n+limit)]
				}
				if got := q.from(n, limit); q.live != len(model) || !slices.Equal(got, want) {
					t.Fatalf("from(%d, %d) of %d: %d items, want %d", n, limit, q.live, len(got), len(want))
				}
			},
		})
	})
}

// A sequence through which much has gone keeps no room for it.
func TestSequenceForgets(t *testing.T) {
	var q sequence[*number]
	for i := range 100 * blockSize {
		q.add(&number{value: i})
		if i >= 10 {
			q.remove(q.from(0, 1)[0].at)
		}
	}
	if q.live != 10 || len(q.items) > 2*blockSize {
		t.Errorf("%d items take %d places", q.live, len(q.items))
	}
}

// The table against a list that is searched from end to end.
func TestTableAgainstBruteForce(t *testing.T) {
	type line struct {
		ip, tag string
		expires time.Time
	}
	rapid.Check(t, func(t *rapid.T) {
		table, model, now := newTable(), []line{}, time.Unix(1e9, 0)
		draw := func(t *rapid.T) (target, string, int) {
			i, tag := rapid.IntRange(0, 5).Draw(t, "address"), rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "tag")
			what := target{prefix: address10(i)}
			return what, tag, slices.IndexFunc(model, func(l line) bool { return l.ip == what.Text(dialect.HostPlain) && l.tag == tag })
		}
		t.Repeat(map[string]func(*rapid.T){
			"put": func(t *rapid.T) {
				what, tag, at := draw(t)
				timeout := time.Duration(rapid.IntRange(0, 5).Draw(t, "timeout"))
				l := line{what.Text(dialect.HostPlain), tag, time.Time{}}
				if timeout > 0 {
					l.expires = now.Add(timeout)
				}
				if created := table.put(what, tag, timeout, true, now); created != (at < 0) {
					t.Fatalf("put %s %s: new %v", l.ip, tag, created)
				}
				if at < 0 {
					model = append(model, l)
				} else {
					model[at] = l
				}
			},
			"drop": func(t *rapid.T) {
				what, tag, at := draw(t)
				if at < 0 {
					return
				}
				table.drop(table.addresses[what].find(tag))
				model = slices.Delete(model, at, at+1)
			},
			"expire": func(t *rapid.T) {
				now = now.Add(time.Duration(rapid.IntRange(0, 3).Draw(t, "passed")))
				for table.expired(now) != nil {
				}
				model = slices.DeleteFunc(model, func(l line) bool { return !l.expires.IsZero() && !l.expires.After(now) })
			},
			"": func(t *rapid.T) {
				byTag := map[string][]string{}
				addresses := map[string]bool{}
				for _, l := range model {
					byTag[l.tag] = append(byTag[l.tag], l.ip)
					addresses[l.ip] = true
				}
				for _, tag := range []string{"a", "b", "c"} {
					q := query{Page: Page{Start: 1, Limit: 500}, tag: tag}
					var got []string
					for _, a := range table.page(&q) {
						got = append(got, a.Text(dialect.HostPlain))
					}
					if !slices.Equal(got, byTag[tag]) || q.Total != len(got) {
						t.Fatalf("tag %s: %v (total %d), want %v", tag, got, q.Total, byTag[tag])
					}
				}
				if len(table.addresses) != len(addresses) || table.order.live != len(addresses) || len(table.tags) != len(byTag) {
					t.Fatalf("%d addresses, %d in order, %d tags; want %d and %d", len(table.addresses), table.order.live, len(table.tags), len(addresses), len(byTag))
				}
			},
		})
	})
}

// emptyRegistry is one of PAN-OS 10.2.9.
func emptyRegistry(maxRegistered int, d dialect.Dialect) *Registry {
	return New(Options{
		Now: time.Now, Version: dialect.Version{Major: 10, Minor: 2, Patch: 9}, Dialect: &d, VSys: []string{"vsys1"},
		MaxRegistered: maxRegistered, Log: func(string, string, string) {},
	})
}

// address10 is the ith example address.
func address10(i int) netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 32)
}

// uidMessage wraps a payload.
func uidMessage(payload string) string {
	return `<uid-message><version>1.0</version><type>update</type><payload>` + payload + `</payload></uid-message>`
}

// entryXML is an entry of one tag; a timeout "" is none.
func entryXML(ip, tag, timeout string) string {
	if timeout != "" {
		timeout = ` timeout="` + timeout + `"`
	}
	return `<entry ip="` + ip + `"><tag><member` + timeout + `>` + tag + `</member></tag></entry>`
}

// FuzzMessage holds that no message brings the firewall down, and that a refused one changes nothing.
func FuzzMessage(f *testing.F) {
	f.Add(uidMessage(`<register>` + entryXML("192.0.2.1", "a", "60") + `</register>`))
	f.Add(uidMessage(`<unregister><entry ip="192.0.2.1"/></unregister><register><entry ip="::/0"><tag/></entry></register>`))
	f.Add(`<uid-message><type>update</type><payload><register><entry/></register></payload></uid-message>`)
	f.Fuzz(func(t *testing.T, text string) {
		m, err := ParseMessage(text)
		if err != nil {
			return
		}
		for _, d := range []dialect.Dialect{{}, {Duplicates: dialect.LegacyMessageRejected, BadEntry: dialect.BadEntryRejected, Order: dialect.UnregisterFirst}} {
			a, _, changes := emptyRegistry(2500, d).CarryOut("", m)
			body := string(a.Body)
			if d.BadEntry == dialect.BadEntryRejected && len(changes) > 0 && strings.Contains(body, `status="error"`) {
				t.Fatalf("refused with %s, but changed %+v", body, changes)
			}
			if _, err := xmltree.Parse(body); err != nil {
				t.Fatalf("answer is not well-formed: %v: %s", err, body)
			}
		}
	})
}

// A platform of the largest size: 1000 messages of 500, and reading them back in 1000 pages.
func BenchmarkHalfMillion(b *testing.B) {
	const count, batch = 500_000, 500
	for b.Loop() {
		g := emptyRegistry(count, dialect.Dialect{})
		for first := 0; first < count; first += batch {
			var message strings.Builder
			for i := range batch {
				message.WriteString(entryXML(address10(first+i).Addr().String(), "blocked", "3600"))
			}
			m, err := ParseMessage(uidMessage(`<register>` + message.String() + `</register>`))
			if err != nil {
				b.Fatal(err)
			}
			g.CarryOut("", m)
		}
		read := 0
		for read < count {
			at, err := xmltree.Parse(`<registered-ip><tag><entry name="blocked"/></tag><start-point>` + strconv.Itoa(read+1) + `</start-point></registered-ip>`)
			if err != nil {
				b.Fatal(err)
			}
			a, page, _ := g.ShowRegisteredIP(answer.Request{At: at})
			if page == nil {
				b.Fatal(string(a.Body))
			}
			if page.Entries == 0 {
				b.Fatalf("page from %d is empty", read+1)
			}
			read += page.Entries
		}
	}
}

func TestGroupsDoNotCollectChangesThatNobodyAsksFor(t *testing.T) {
	g := emptyRegistry(2500, dialect.Dialect{})
	for range 10 {
		for _, half := range []string{"register", "unregister"} {
			m, err := ParseMessage(uidMessage("<" + half + ">" + entryXML("192.0.2.1", "bad", "") + "</" + half + ">"))
			if err != nil {
				t.Fatal(err)
			}
			g.CarryOut("", m)
		}
	}
	if m := g.groups["vsys1"]; len(m.pending) != 0 || len(m.tags) != 0 || m.lengths[0][32] != 0 {
		t.Errorf("%d changes wait, %d addresses are known", len(m.pending), len(m.tags))
	}
}
