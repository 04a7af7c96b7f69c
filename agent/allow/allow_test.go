package allow

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"activedefense/store"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]string{
		"203.0.113.9": "203.0.113.9", " 203.0.113.0/24 ": "203.0.113.0/24", "::ffff:203.0.113.9": "203.0.113.9", "2001:DB8::1": "2001:db8::1", "10.0.0.0/8": "10.0.0.0/8",
		"VPN.Example.COM.": "vpn.example.com", "xn--bcher-kva.example": "xn--bcher-kva.example", "1and1.com": "1and1.com",
		"0.0.0.0/0": "! would allow every address", "::/0": "! would allow every address", "11.0.0.0/7": "! host bits", "10.0.0.0/7": "! wider than /8", "2000::/15": "! wider than /16",
		"::ffff:0.0.0.0/96": "! write an IPv4 network as such", "203.0.113.9/24": "! the network is 203.0.113.0/24", "localhost": "! neither an address", "": "! neither an address", "*.example.com": "! is no host's name",
		"203.0.113": "! neither an address", "a..example.com": "! is no host's name", "-a.example.com": "! is no host's name", "a b.example.com": "! is no host's name",
		strings.Repeat("a", 64) + ".example": "! is no host's name", strings.Repeat("a.", 127) + "example": "! neither an address",
	} {
		entry, network, err := Parse(text)
		reason, refused := strings.CutPrefix(want, "! ")
		switch {
		case refused && (err == nil || !strings.Contains(err.Error(), reason)):
			t.Errorf("%q gives %q, %v", text, entry, err)
		case !refused && (err != nil || entry != want || network.IsValid() != !strings.Contains(want, ".c") && !strings.Contains(want, "xn--")):
			t.Errorf("%q gives %q %v, %v", text, entry, network, err)
		}
	}
}

// A name is resolved when it is added, and again when that is due. One that fails, or gives what cannot be allowed, keeps its addresses, and is
// named with what is wrong.
func TestNames(t *testing.T) {
	ctx, now := t.Context(), time.Now().UTC().Truncate(time.Second)
	st, err := store.Open(ctx, store.Options{Path: filepath.Join(t.TempDir(), "test.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	answers := map[string][]string{}
	lookup := func(_ context.Context, network, host string) (found []netip.Addr, err error) {
		texts, known := answers[host]
		if network != "ip" || !known {
			return nil, errors.New("no such host")
		}
		for _, text := range texts {
			found = append(found, netip.MustParseAddr(text))
		}
		return found, nil
	}
	var many []string
	for i := range most + 1 {
		many = append(many, fmt.Sprintf("20.0.0.%d", i))
	}
	answers["many.example.com."], answers["zero.example.com."], answers["inside.example.com."] = many, []string{"0.0.0.0", "::"}, []string{"10.0.0.1"}
	answers["none.example.com."], answers["vpn.example.com."] = nil, []string{"::ffff:20.0.0.9", "20.0.0.8", "20.0.0.8", "192.168.1.1"}
	added, _, refused, err := Add(ctx, st, lookup, []Ask{{Entry: "many.example.com"}, {Entry: "zero.example.com"}, {Entry: "inside.example.com"}, {Entry: "none.example.com"}, {Entry: "gone.example.com"},
		{Entry: "VPN.example.com", Reason: " the branch "}, {Entry: "20.0.0.1", Until: now}}, "anna", now)
	if err != nil || len(added) != 1 || len(refused) != 6 {
		t.Fatalf("added are %+v, refused %v, %v", added, refused, err)
	}
	for i, want := range []string{"many.example.com was not allowed: the name has 65 addresses, and at most 64", "0.0.0.0 is not public (unspecified", "10.0.0.1 is not public (private", "the name has no address", "gone.example.com was not allowed: the name cannot be resolved now: no such host", "", "its end"} {
		if want != "" && !strings.Contains(refused[i].Error(), want) {
			t.Errorf("%d: %v", i, refused[i])
		}
	}
	k := &Keeper{Store: st, Lookup: lookup, Now: func() time.Time { return now }, Log: zerolog.Nop()}
	for _, step := range []struct {
		what   string
		after  time.Duration
		answer []string
		want   []string
		says   string
	}{
		{"at first", 0, nil, []string{"20.0.0.8", "20.0.0.9"}, "192.168.1.1 is not public"},
		{"before it is due", Every - time.Second, []string{"20.0.0.7"}, []string{"20.0.0.8", "20.0.0.9"}, "192.168.1.1 is not public"},
		{"it moves", time.Second, []string{"20.0.0.7", "20.0.0.8"}, []string{"20.0.0.7", "20.0.0.8"}, ""},
		{"to everything", Every, []string{"0.0.0.0"}, []string{"20.0.0.7", "20.0.0.8"}, "no public address: 0.0.0.0"},
		{"to very many", Every, many, []string{"20.0.0.7", "20.0.0.8"}, "65 addresses"},
		{"an empty answer", Every, []string{}, []string{"20.0.0.7", "20.0.0.8"}, "no address"},
		{"it fails", Every, nil, []string{"20.0.0.7", "20.0.0.8"}, "no such host"},
		{"it is back", Every, []string{"20.0.0.8"}, []string{"20.0.0.8"}, ""},
	} {
		now = now.Add(step.after)
		if step.after > 0 {
			if answers["vpn.example.com."] = step.answer; step.answer == nil {
				delete(answers, "vpn.example.com.")
			}
			if err := k.renew(ctx); err != nil {
				t.Fatal(err)
			}
		}
		list, err := st.Allowed(ctx, now)
		if err != nil || len(list) != 1 {
			t.Fatalf("%s: %v, %v", step.what, list, err)
		}
		var got []string
		for _, p := range list[0].Addresses {
			got = append(got, p.Addr().String())
		}
		if !slices.Equal(got, step.want) || !strings.Contains(list[0].Trouble, step.says) || step.says == "" && list[0].Trouble != "" {
			t.Errorf("%s: it has %v, and its trouble is %q", step.what, got, list[0].Trouble)
		}
	}
}

// A transaction has as many entries as the one before wrote in the time for which a block may wait.
func TestPortionsFollowTheTimeThatTheyTake(t *testing.T) {
	for _, c := range []struct {
		wrote int
		took  time.Duration
		want  int
	}{{20, 5 * time.Millisecond, 200}, {200, 100 * time.Millisecond, 100}, {250, time.Second, leastInOne}, {250, time.Millisecond, mostInOne}, {20, 0, mostInOne}, {0, time.Minute, leastInOne}} {
		if got := portion(c.wrote, c.took); got != c.want {
			t.Errorf("%+v: %d", c, got)
		}
	}
}

// A resolver that does not answer holds up no end of an allowance, and not the names behind one.
func TestAResolverThatHangsHoldsUpNoEnd(t *testing.T) {
	st, err := store.Open(t.Context(), store.Options{Path: filepath.Join(t.TempDir(), "test.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	begin := time.Date(2026, 11, 30, 8, 0, 0, 0, time.UTC)
	answer := func(context.Context, string, string) ([]netip.Addr, error) {
		return []netip.Addr{netip.MustParseAddr("20.0.0.9")}, nil
	}
	asks := []Ask{{Entry: "20.0.0.1", Until: begin.Add(time.Minute)}}
	for i := range 2 * atOnce {
		asks = append(asks, Ask{Entry: fmt.Sprintf("n%d.example.com", i)})
	}
	if _, _, refused, err := Add(t.Context(), st, answer, asks, "anna", begin); err != nil || len(refused) > 0 {
		t.Fatal(refused, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	asked, done := make(chan string, len(asks)), make(chan error, 1)
	k := &Keeper{Store: st, Now: func() time.Time { return begin.Add(time.Hour) }, Log: zerolog.Nop(), Lookup: func(ctx context.Context, _, name string) ([]netip.Addr, error) {
		asked <- name
		<-ctx.Done()
		return nil, ctx.Err()
	}}
	go func() { done <- k.Run(ctx) }()
	for range atOnce {
		<-asked
	}
	for standing := 1; standing > 0; {
		list, err := st.Allowed(t.Context(), begin)
		if err != nil {
			t.Fatal(err)
		}
		standing = 0
		for _, a := range list {
			if !a.Until.IsZero() {
				standing++
			}
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
