package xmlapi

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"activedefense/firewall/panosim"
)

func TestPaths(t *testing.T) {
	for got, want := range map[string]string{
		VSysPath("vsys2"):                        "/config/devices/entry[@name='localhost.localdomain']/vsys/entry[@name='vsys2']",
		SharedPath + "/tag" + EntryNamed("it's"): `/config/shared/tag/entry[@name="it's"]`,
	} {
		if got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	if got := Escape(`<a b="c">&`); strings.ContainsAny(got, `<>"`) {
		t.Errorf("escaped to %s", got)
	}
}

// Nothing there is said in several ways, and is no error; several elements where one was asked for are one.
func TestReadingOneElement(t *testing.T) {
	for name, test := range map[string]struct{ answer, want, kind string }{
		"it stands":         {`<response status="success" code="19"><result total-count="1" count="1"><tag><entry name="x"/></tag></result></response>`, `<tag><entry name="x"/></tag>`, ""},
		"code 7":            {`<response status="success" code="7"><result/></response>`, "", ""},
		"no result":         {`<response status="success"><msg><line>x</line></msg></response>`, "", ""},
		"no such node":      {refused("No such node"), "", ""},
		"two elements":      {`<response status="success"><result><a/><b/></result></response>`, "", KindMalformed},
		"refused":           {refused("xpath is malformed"), "", KindAPI},
		"without the right": {`<response status="error" code="403"><result><msg>Type [config] not authorized for user role.</msg></result></response>`, "", KindRole},
	} {
		for action, read := range map[string]func(*script) (*Node, error){
			"show": func(s *script) (*Node, error) { return s.Show(t.Context(), "read it", "/config/x") },
			"get":  func(s *script) (*Node, error) { return s.Get(t.Context(), "read it", "/config/x") },
		} {
			s := newScript(t, always(test.answer))
			n, err := read(s)
			got := ""
			if n != nil {
				got = n.XML()
			}
			if got != test.want || Kind(err) != test.kind {
				t.Errorf("%s, %s: %q, %v", name, action, got, err)
			}
			if s.calls[0].Get("type") != "config" || s.calls[0].Get("action") != action || s.calls[0].Get("xpath") != "/config/x" {
				t.Errorf("%s: sent %v", name, s.calls[0])
			}
		}
	}
}

func TestOperationalCommands(t *testing.T) {
	s := newScript(t, always(`<response status="success"><result><a>1</a></result></response>`))
	if n, err := s.Op(t.Context(), "test", "ask", "<show><a></a></show>"); err != nil || n.Value("a") != "1" {
		t.Errorf("%v, %v", n, err)
	}
	if n, err := s.OpIn(t.Context(), "test", "ask", "<show><a></a></show>", ""); err != nil || n.Name != "result" {
		t.Errorf("%v, %v", n, err)
	}
	if s.calls[0].Get("vsys") != "vsys1" || s.calls[1].Has("vsys") || s.calls[1].Get("cmd") != "<show><a></a></show>" {
		t.Errorf("sent %v", s.calls)
	}
	s = newScript(t, always(`<response status="success"><msg><line>done</line></msg></response>`))
	if n, err := s.Op(t.Context(), "test", "ask", "<request></request>"); err != nil || strings.Join(n.Texts(), "") != "done" {
		t.Errorf("without a result: %v, %v", n, err)
	}
	s = newScript(t, always(refused("no")))
	if _, err := s.Op(t.Context(), "test", "ask", "<show></show>"); Kind(err) != KindAPI {
		t.Errorf("refused: %v", err)
	}
}

func TestRunningConfig(t *testing.T) {
	config := `<config><shared><tag/></shared><devices><entry name="localhost.localdomain"><vsys><entry name="vsys1"><zone/></entry></vsys></entry></devices></config>`
	s := newScript(t, always(`<response status="success"><result>`+config+`</result></response>`))
	own, shared, err := RunningConfig(t.Context(), s.Device, "read it")
	if err != nil || own.Child("zone") == nil || shared.Child("tag") == nil {
		t.Errorf("%v, %v, %v", own, shared, err)
	}
	s = newScript(t, always(success))
	_, _, err = RunningConfig(t.Context(), s.Device, "read it")
	wantError(t, err, KindMalformed, "read it", "no configuration")
	s = newScript(t, always(refused("no")))
	if _, _, err = RunningConfig(t.Context(), s.Device, "read it"); Kind(err) != KindAPI {
		t.Errorf("refused: %v", err)
	}
}

func TestPushedPolicy(t *testing.T) {
	for answer, want := range map[string]string{
		refused("No shared policy pushed to device"): "[]",
		success: "[]",
		`<response status="success"><result>No shared policy pushed to device</result></response>`:               "[]",
		`<response status="success"><result><policy><panorama/></policy></result></response>`:                    "[panorama false]",
		`<response status="success"><result><policy><panorama/><shared/></policy></result></response>`:           "[panorama false shared true]",
		`<response status="success"><result><panorama/><shared/></result></response>`:                            "[panorama false shared true]",
		`<response status="success"><result><policy><shared/></policy><shared><a/></shared></result></response>`: "[shared true shared true]",
	} {
		s := newScript(t, always(answer))
		parts, err := PushedPolicy(t.Context(), s.Device, "read it", "vsys1")
		var got []string
		for _, p := range parts {
			got = append(got, fmt.Sprint(p.Node.Name, " ", p.Shared))
		}
		if err != nil || fmt.Sprint(got) != want {
			t.Errorf("%s: %v, %v; want %s", answer, got, err, want)
		}
	}
	s := newScript(t, always(success))
	_, _ = PushedPolicy(t.Context(), s.Device, "read it", "v<1")
	_, _ = PushedPolicy(t.Context(), s.Device, "read it", "")
	if !strings.Contains(s.calls[0].Get("cmd"), "<vsys>v&lt;1</vsys>") || strings.Contains(s.calls[1].Get("cmd"), "<vsys>") || s.calls[1].Has("vsys") {
		t.Errorf("sent %v", s.calls)
	}
	s = newScript(t, always(`<response status="unauth" code="16"><msg><line>Unauthorized request</line></msg></response>`))
	if _, err := PushedPolicy(t.Context(), s.Device, "read it", ""); Kind(err) != KindRole {
		t.Errorf("without the right: %v", err)
	}
}

// Edits of one message go as they are on every version: one by one before 10.1.5, as one message from then on.
func TestEdits(t *testing.T) {
	for version, messages := range map[string]int{"9.0.16": 4, "10.1.4": 4, "10.1.5": 1, "10.2.9-h1": 1, "11.2.3": 1} {
		l := newLab(t, func(o *panosim.Options) { o.Version = version }, nil)
		l.identify()
		before := l.Requests()
		list := VSysPath("vsys1") + "/tag"
		err := l.Edit(t.Context(), "make tags", []Edit{
			Set(list, NamedEntry("one", Leaf("comments", "a<b&c"))), Set(list, NamedEntry("two")),
			Replace(list+EntryNamed("one"), NamedEntry("one", Leaf("comments", "new"))), Delete(list + EntryNamed("two")),
		})
		if err != nil || int(l.Requests()-before) != messages {
			t.Errorf("%s: %d requests, %v", version, l.Requests()-before, err)
		}
		at, err := l.Get(t.Context(), "read tags", list)
		if err != nil || at.Clean().XML() != `<tag><entry name="one"><comments>new</comments></entry></tag>` {
			t.Errorf("%s: %v, %v", version, at, err)
		}
		if at, err := l.Show(t.Context(), "read tags", list+EntryNamed("one")); err != nil || at != nil {
			t.Errorf("%s: it runs already: %v, %v", version, at, err)
		}
		for range 2 { // the second time it is not there
			if err := l.Edit(t.Context(), "delete it", []Edit{Delete(list + EntryNamed("one"))}); err != nil {
				t.Errorf("%s: %v", version, err)
			}
		}
		if err := l.Edit(t.Context(), "do nothing", nil); err != nil {
			t.Error(err)
		}
	}
}

func TestManyEditsAreSeveralMessages(t *testing.T) {
	s := newScript(t, always(success))
	s.past.version = Version{10, 2, 0}
	edits := make([]Edit, 2*MaxEdits+1)
	for i := range edits {
		edits[i] = Delete("/config/x")
	}
	if err := s.Edit(t.Context(), "delete them", edits); err != nil || len(s.calls) != 3 {
		t.Errorf("%d messages, %v", len(s.calls), err)
	}
	if n := strings.Count(s.calls[2].Get("element"), "<delete "); n != 1 {
		t.Errorf("%d edits in the last one", n)
	}
}

// Before multi-config, entries of one list go in one call; where that says that one is missing, one by one.
func TestEntriesAreDeletedTogether(t *testing.T) {
	list := SharedPath + "/tag"
	edits := []Edit{Delete(list + EntryNamed("a")), Delete(list + EntryNamed("it's [old]")), Delete("/config/x/entry[@name='g']/static/member[text()='m']"), Delete("/config/x/entry[@name='g']/static/member[text()='n']"), Set(list, NamedEntry("c"))}
	s := newScript(t, always(success))
	s.past.version = Version{10, 1, 4}
	if err := s.Edit(t.Context(), "write it", edits); err != nil || len(s.calls) != 4 || s.calls[0].Get("xpath") != list+`/entry[@name='a' or @name="it's [old]"]` {
		t.Errorf("%v, %v", s.calls, err)
	}
	s = newScript(t, always(`<response status="success" code="7"><msg>Object doesn't exist</msg></response>`))
	s.past.version = Version{10, 1, 4}
	if err := s.Edit(t.Context(), "delete them", edits[:2]); err != nil || len(s.calls) != 3 {
		t.Errorf("%v, %v", s.calls, err)
	}
	many := make([]Edit, 2000)
	for i := range many {
		many[i] = Delete(list + EntryNamed(fmt.Sprintf("name-%d", i)))
	}
	s = newScript(t, always(success))
	s.past.version = Version{10, 1, 4}
	if err := s.Edit(t.Context(), "delete them", many); err != nil || len(s.calls) < 2 || len(s.calls) > 6 || slices.ContainsFunc(s.calls, func(c url.Values) bool { return len(c.Get("xpath")) > maxXPath }) {
		t.Errorf("%d calls, %v", len(s.calls), err)
	}
	l := newLab(t, func(o *panosim.Options) { o.Version = "9.1.16" }, nil)
	if err := l.Edit(t.Context(), "write", []Edit{Set(list, NamedEntry("a")), Set(list, NamedEntry("b"))}); err != nil {
		t.Fatal(err)
	}
	if err := l.Edit(t.Context(), "delete", []Edit{Delete(list + EntryNamed("a")), Delete(list + EntryNamed("gone")), Delete(list + EntryNamed("b"))}); err != nil {
		t.Fatal(err)
	}
	if left, err := l.Get(t.Context(), "read", list); err != nil || len(left.Entries()) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

// A part that failed fails the whole, whatever the whole says.
func TestEditsThatFail(t *testing.T) {
	two := []Edit{Set("/config/a", Element("a")), Delete("/config/b")}
	for name, test := range map[string]struct {
		answer, kind, text string
		edits              []Edit
	}{
		"a part":          {`<response status="success"><response status="success" code="20"><msg>command succeeded</msg></response><response status="error" code="12"><msg><line>bad b</line></msg></response></response>`, KindAPI, "bad b", two},
		"the whole":       {refused("locked by somebody"), KindBusy, "locked", two},
		"one edit":        {refused("a is invalid"), KindAPI, "a is invalid", two[:1]},
		"a deletion":      {refused("may not be deleted"), KindAPI, "may not", two[1:]},
		"all of it, good": {`<response status="success"><response status="success" code="20"/><response status="success" code="7"/></response>`, "", "", two},
	} {
		s := newScript(t, always(test.answer))
		s.past.version = Version{10, 2, 0}
		err := s.Edit(t.Context(), "write it", test.edits)
		if test.kind == "" {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		wantError(t, err, test.kind, "write it", test.text)
	}
	s := newScript(t, always(refused("a is invalid")))
	if err := s.Edit(t.Context(), "write it", two); Kind(err) != KindAPI || len(s.calls) != 1 {
		t.Errorf("one by one, it goes on after a failure: %v, %v", err, s.calls)
	}
}

func TestMove(t *testing.T) {
	for answer, kind := range map[string]string{
		success: "", refused("rule is already at the top"): "", refused("rule is already at the bottom"): KindAPI, refused("there is no such rule"): KindAPI,
	} {
		s := newScript(t, always(answer))
		if err := s.Move(t.Context(), "move it", "/config/x", MoveTop); Kind(err) != kind {
			t.Errorf("%s: %v", answer, err)
		}
		if want := (url.Values{"type": {"config"}, "action": {"move"}, "xpath": {"/config/x"}, "where": {"top"}}); s.calls[0].Encode() != want.Encode() {
			t.Errorf("sent %v", s.calls[0])
		}
	}
}
