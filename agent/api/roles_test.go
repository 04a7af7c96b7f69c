package api

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"

	"activedefense/config"
	"activedefense/store"
)

// Who a peer is decides what he may do, whatever the host's groups are called.
func TestTheRoleOfAPeer(t *testing.T) {
	admin := &config.Admin{Operators: []string{"ops", "gone"}, Viewers: []string{"watch"}}
	ids := map[string]uint32{"ops": 10, "watch": 20}
	groupOf := func(name string) (uint32, bool) { id, ok := ids[name]; return id, ok }
	for _, c := range []struct {
		peer peer
		want Role
	}{
		{peer{0, nil}, Operator},
		{peer{7, nil}, Operator}, // the daemon's own
		{peer{1000, []uint32{5, 10}}, Operator},
		{peer{1000, []uint32{20}}, Viewer},
		{peer{1000, []uint32{20, 10}}, Operator},
		{peer{1000, []uint32{0, 7, 1000}}, Nobody}, // root's group is not root
		{peer{10, nil}, Nobody},                    // nor is a user of a group's number in it
	} {
		if got := c.peer.role(admin, 7, groupOf); got != c.want {
			t.Errorf("%+v is %v instead of %v", c.peer, got, c.want)
		}
	}
}

// asked is a request to a route that finds what it asks for.
func asked(r *route) (path, body string) {
	path = Prefix + strings.NewReplacer("{address}", "203.0.113.1", "{name}", "gone", "{entry}", "203.0.113.1").Replace(r.path)
	switch r.method + " " + r.path {
	case "POST blacklist":
		body = `{"address": "203.0.113.9", "reason": "x"}`
	case "DELETE blacklist":
		body = `{"addresses": ["203.0.113.1"]}`
	case "POST blacklist/import":
		body = `{"entries": [{"address": "203.0.113.7"}]}`
	case "POST allow":
		body = `{"entry": "203.0.113.8"}`
	case "POST blacklist/accept":
		body = `{"all": true}`
	}
	return path, body
}

// Each route is closed to everybody below its role, over the socket and over admin.listen, with and without tokens, and to pages of other
// sites whoever asks.
func TestEveryRouteHasItsRole(t *testing.T) {
	s := newStage(t, nil)
	s.block("203.0.113.1/32", store.Blocked)
	withTokens, _ := withTokens(t, nil)
	withTokens.block("203.0.113.1/32", store.Blocked)
	bearer := func(name string) []string { return []string{"Authorization", "Bearer token of " + name} }
	allowed := func(r reply) bool {
		return r.status != http.StatusForbidden && r.status != http.StatusUnauthorized
	}
	for i := range routes {
		r := &routes[i]
		path, body := asked(r)
		for _, c := range []struct {
			who  string
			role Role
			got  reply
		}{
			{"nobody", Nobody, s.as(identity{nobodyID, []int{nobodyID}}, r.method, path, body)},
			{"a viewer", Viewer, s.as(identity{nobodyID, []int{nobodyID, viewersID}}, r.method, path, body)},
			{"an operator", Operator, s.as(identity{nobodyID, []int{operatorsID}}, r.method, path, body)},
			{"root", Operator, s.as(identity{0, []int{0}}, r.method, path, body)},
			{"an address without tokens", Viewer, s.over(r.method, path, body)},
			{"a viewer's token", Viewer, withTokens.over(r.method, path, body, bearer("reader")...)},
			{"an operator's token", Operator, withTokens.over(r.method, path, body, bearer("anna")...)},
			{"no token", Nobody, withTokens.over(r.method, path, body)},
			{"a wrong token", Nobody, withTokens.over(r.method, path, body, bearer("berta")...)},
			{"another site, an operator", Nobody, withTokens.over(r.method, path, body, append(bearer("anna"), "Origin", "https://evil.example")...)},
			{"another site, fetched", Nobody, withTokens.over(r.method, path, body, append(bearer("anna"), "Sec-Fetch-Site", "cross-site")...)},
			{"another site, root", Nobody, s.as(identity{0, []int{0}}, r.method, path, body, "Origin", "null")},
			{"a name that leads here", Nobody, s.over(r.method, path, body, "Host", "rebound.example")},
			{"the same site", Operator, withTokens.over(r.method, path, body, append(bearer("anna"), "Origin", "http://"+withTokens.addr, "Sec-Fetch-Site", "same-origin")...)},
		} {
			if os.Geteuid() != 0 && (c.who == "nobody" || c.who == "a viewer") {
				c.role = Operator // only root's tests can be somebody else: it is the daemon's own user who asks
			}
			want := c.role >= r.role
			if r.local && strings.Contains(c.who, "token") || r.local && strings.Contains(c.who, "site") {
				want = false
			}
			if allowed(c.got) != want {
				t.Errorf("%s %s: %s: %d %s", r.method, r.path, c.who, c.got.status, c.got.body)
			}
		}
	}
	if withTokens.paused.Load() == 0 {
		t.Error("no wrong token was slowed")
	}
	if os.Geteuid() == 0 {
		if r := s.as(identity{nobodyID, []int{nobodyID, viewersID}}, "DELETE", Prefix+"blacklist/203.0.113.1", ""); !strings.Contains(r.body, "user 65533 may not do this: it takes a member of the group 64001") {
			t.Errorf("a viewer is told %s", r.body)
		}
	}
	if r := withTokens.over("DELETE", Prefix+"blacklist/203.0.113.1", "", bearer("reader")...); !strings.Contains(r.body, "the token reader is a viewer's, and this takes an operator's") {
		t.Errorf("a viewer's token is told %s", r.body)
	}
}

// Who did what is kept.
func TestTheHistoryHasWhoDidIt(t *testing.T) {
	s := newStage(t, nil)
	if r := s.as(identity{0, []int{0}}, "POST", Prefix+"blacklist", `{"address": "203.0.113.9", "reason": "it scans", "for": "1h"}`); r.status != 200 || !strings.Contains(r.body, `"by":"root"`) {
		t.Fatalf("%d %s", r.status, r.body)
	}
	if r := s.api.Here(Caller{Name: store.ByDetector, Role: Operator}); r.Delete(t.Context(), "blacklist/203.0.113.9", nil, &Removed{}) != nil {
		t.Fatal("it is not released")
	}
	var got []string
	err := Each(t.Context(), s.api.Here(Caller{Role: Viewer}), "history", nil, "changes", &struct{}{}, func(c *Change) error {
		got = append(got, fmt.Sprint(c.Action, " ", c.Address, " ", c.By, " ", c.Reason))
		return nil
	})
	if want := "release 203.0.113.9 operator released by hand, block 203.0.113.9 root it scans"; err != nil || strings.Join(got, ", ") != want {
		t.Errorf("the history is %q, %v", got, err)
	}
}
