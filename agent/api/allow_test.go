package api

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"activedefense/store"
)

// What is asked for is done or named with what is wrong, and a GET changes nothing.
func TestAllowPauseAndImport(t *testing.T) {
	taken := 0
	s := newStage(t, func(o *Options) {
		o.Guarded = func(context.Context) error { taken++; return nil }
		o.Lookup = func(_ context.Context, _, host string) ([]netip.Addr, error) {
			switch host {
			case "vpn.example.com.":
				return []netip.Addr{netip.MustParseAddr("20.0.0.9")}, nil
			case "zero.example.com.":
				return []netip.Addr{netip.MustParseAddr("0.0.0.0")}, nil
			}
			return nil, errors.New("no such host")
		}
	})
	for _, address := range []string{"20.0.0.9/32", "20.0.1.0/24", "20.0.2.1/32", "20.0.3.1/32"} {
		s.block(address, store.Blocked)
	}
	root := identity{0, []int{0}}
	for _, c := range []struct {
		ask, body string
		status    int
		says      string
	}{
		{"POST allow", `{"entry": "vpn.example.com", "reason": "branch"}`, 200, `"lifted":[{"address":"20.0.0.9"`},
		{"POST allow", `{"entry": "20.0.1.7", "until": "2999-01-01T00:00:00Z"}`, 200, `"lifted":[{"address":"20.0.1.0/24"`},
		{"POST allow", `{"entry": "zero.example.com"}`, 422, "zero.example.com was not allowed: the name has no public address: 0.0.0.0 is not public"},
		{"POST allow", `{"entry": "gone.example.com"}`, 422, "cannot be resolved now"},
		{"POST allow", `{"entry": "::/0"}`, 422, "::/0 would allow every address"},
		{"POST allow", `{"entry": "20.0.0.1", "until": "2020-01-01T00:00:00Z"}`, 422, "is over"},
		{"POST allow", `{"entry": "20.0.0.1", "until": "tomorrow"}`, 400, "cannot be read as JSON"},
		{"POST allow", `{"entries": [{"entry": "x"}, {"entry": "20.0.4.0/24"}]}`, 200, `"refused":[{"index":0,"why":"\"x\" is neither`},
		{"POST allow", `{}`, 422, "is neither an address"},
		{"GET allow", "", 200, `{"entry":"20.0.1.7","addresses":["20.0.1.7"]`},
		{"DELETE allow/20.0.4.0%2F24?reason=enough", "", 200, `"entry":"20.0.4.0/24"`},
		{"DELETE allow/20.0.4.0%2F24", "", 404, "not on the allow-list: 20.0.4.0/24"},
		{"DELETE allow/x", "", 400, "is neither an address"},
		{"GET history?limit=1", "", 200, `"action":"disallow","address":"20.0.4.0/24","by":"root","reason":"enough"`},
		{"POST blacklist/resume", "", 200, `{"paused":null}`},
		{"POST blacklist/pause", `{"for": "8d"}`, 400, "a pause lasts from 1s to 7d"},
		{"POST blacklist/pause", `{"for": "-1h"}`, 400, `-1h`},
		{"POST blacklist/pause", `{"until": "x"}`, 400, "cannot be read as JSON"},
		{"POST blacklist/pause", "", 200, `"by":"root","reason":"paused by hand"`},
		{"POST blacklist/resume", `{"reason": "enough"}`, 200, `"reason":"paused by hand"`},
		{"GET history?limit=1", "", 200, `"action":"resume","address":"everything","by":"root","reason":"enough"`},
		{"POST blacklist/import", `{"entries": [{"address": "10.0.0.1"}, {"address": "20.0.2.1"}, {"address": "20.0.5.5", "rule": "login", "by": "detector"}]}`, 200, `{"blocked":1,"already":1,"refused":[{"index":0,"why":"10.0.0.1 is not public`},
		{"POST blacklist/import", `{"entries": 7}`, 400, "cannot be read as JSON"},
		{"DELETE blacklist", `{"addresses": ["20.0.2.1", "20.0.3.1", "20.0.9.9"]}`, 200, `"address":"20.0.3.1"`},
		{"DELETE blacklist", `{"addresses": []}`, 400, "addresses is missing"},
		{"DELETE blacklist", `{"addresses": ["x"]}`, 400, "is neither an address"},
		{"GET blacklist", "", 200, `{"address":"20.0.5.5","rule":"login"`},
	} {
		method, path, _ := strings.Cut(c.ask, " ")
		if r := s.as(root, method, Prefix+path, c.body); r.status != c.status || !strings.Contains(r.body, c.says) {
			t.Errorf("%s %s is answered %d %s, which does not say %s", c.ask, c.body, r.status, r.body, c.says)
		}
	}
	if taken != 5 { // by each change of the allow-list, and before the import
		t.Errorf("what is never blocked was taken over %d times", taken)
	}
	if r := s.over(http.MethodGet, Prefix+"blacklist/pause", ""); r.status != http.StatusBadRequest { // an address that is none
		t.Errorf("a GET is answered %d", r.status)
	}
}
