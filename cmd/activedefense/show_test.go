package main

import (
	"encoding/json"
	"strings"
	"testing"

	"activedefense/agent/explain"
)

// What is known of an address, and what befell it itself, is told beside what befell a network that it is in, and before it.
func TestShowTellsOfTheAddressBesideItsNetwork(t *testing.T) {
	a := heldApp(t)
	inOrder := func(address string, status int, says ...string) {
		t.Helper()
		out, got := a.blacklist(t, false, "show", address)
		rest, ok := out, true
		for _, s := range says {
			if _, rest, ok = strings.Cut(rest, s); !ok || got != status {
				t.Fatalf("show %s: exit status %d, %q is not said in its turn:\n%s", address, got, s, out)
			}
		}
	}
	const itself = "192.0.2.8 itself was never on the blacklist: no rule found enough within its window"
	if out, status := a.blacklist(t, false, "add", "192.0.2.8/29", "203.0.113.0/24", "--reason", "all of it"); status != 0 {
		t.Fatal(out)
	}
	inOrder("192.0.2.8", 0, "192.0.2.8 is blocked, by the network 192.0.2.8/29\n", itself, "records", "2, 1 refused, 1 answered", "near", "192.0.2.8/29 is blocked\n", "manual", "History", "all of it")
	inOrder("203.0.113.1", 0, "203.0.113.1 is blocked\n", "203.0.113.1 is blocked\n", "port-scan", "the line of 203.0.113.1", "203.0.113.0/24 is blocked\n", "manual", "all of it")
	a.blacklist(t, false, "remove", "203.0.113.1", "--reason", "a slip")
	inOrder("203.0.113.1", 0, "203.0.113.1 is blocked, by the network 203.0.113.0/24\n", "203.0.113.1 is not blocked now", "port-scan", "a slip", "the line of 203.0.113.1", "203.0.113.0/24 is blocked\n", "manual")
	a.blacklist(t, false, "remove", "192.0.2.8/29", "203.0.113.0/24", "--reason", "too wide")
	inOrder("192.0.2.8", exitFailed, "192.0.2.8 is not blocked now; it was until", "by the network 192.0.2.8/29\n", itself, "2, 1 refused", "192.0.2.8/29 is not blocked now", "too wide", "192.0.2.8 itself: not on the blacklist, and never was")
	inOrder("203.0.113.1", 0, "203.0.113.1 is not blocked now", "port-scan", "a slip", "203.0.113.0/24 is not blocked now", "too wide")
	var x explain.Explanation
	out, _ := a.blacklist(t, true, "show", "192.0.2.8")
	if err := json.Unmarshal([]byte(strings.Split(out, "\n")[0]), &x); err != nil || x.Itself == nil || x.Itself.Records != 2 || len(x.Entries) != 1 || len(x.Others) != 0 {
		t.Errorf("%v: %s", err, out)
	}
	out, _ = a.blacklist(t, true, "show", "203.0.113.1")
	x = explain.Explanation{}
	if err := json.Unmarshal([]byte(out), &x); err != nil || x.Itself != nil || len(x.Entries) != 2 || x.Entries[0].Address != "203.0.113.1" || len(x.Others) != 1 || x.Others[0].Address != "203.0.113.0/24" {
		t.Errorf("%v: %s", err, out)
	}
}
