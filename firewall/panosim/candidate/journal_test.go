package candidate

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"activedefense/firewall/panosim/devicegroup"
	"activedefense/firewall/panosim/dialect"
	"activedefense/firewall/panosim/jobs"
	"activedefense/firewall/panosim/schema"
	"activedefense/firewall/panosim/xmltree"
)

const (
	vsysPath    = "/config/devices/entry[@name='localhost.localdomain']/vsys/entry[@name='vsys1']"
	addressPath = vsysPath + "/address"
	groupPath   = vsysPath + "/address-group"
	rulesPath   = vsysPath + "/rulebase/security/rules"
	ruleOne     = `<entry name="one"><from><member>untrust</member></from><to><member>any</member></to><source><member>g</member></source>` +
		`<destination><member>any</member></destination><application><member>any</member></application>` +
		`<service><member>any</member></service><action>drop</action></entry>`
)

// factoryConfig is a factory configuration of PAN-OS 11.1 with its list of jobs.
func factoryConfig(d dialect.Dialect) (*Config, *jobs.List) {
	v := dialect.Version{Major: 11, Minor: 1}
	var mu sync.Mutex
	list := jobs.New(jobs.Options{Now: time.Now, Version: v, Dialect: &d, Lock: &mu, Go: func(func(context.Context)) bool { return false }})
	c, err := New(Factory(v, "admin", "fw", []string{"vsys1"}), Options{
		Now: time.Now, Version: v, Dialect: &d, VSys: []string{"vsys1"}, Jobs: list, Pushed: devicegroup.NewPushed("", []string{"vsys1"}),
	})
	if err != nil {
		panic(err) // the factory configuration
	}
	return c, list
}

// element reads XML.
func element(t interface{ Fatal(...any) }, text string) *xmltree.Element {
	e, err := xmltree.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// Whatever three administrators do in whatever order: the candidate is the running configuration with what is
// pending carried out; an edit, a refusal and another's revert or commit change no edit of anybody else; nothing
// but a commit changes the running configuration, and nothing changes one that somebody has kept.
func TestJournal(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := rapid.SampledFrom([]dialect.Dialect{
			{}, {References: dialect.ReferencesAtCommit, Choice: dialect.ChoiceAdds}, {Unchanged: dialect.UnchangedPending, Renamed: dialect.RenamedLeaves},
		}).Draw(t, "dialect")
		c, list := factoryConfig(d)
		admin := rapid.SampledFrom([]string{"ann", "bob", "eve"})
		name := rapid.SampledFrom([]string{"a", "b", "c"})
		pending := func() (out []string) {
			for _, e := range c.journal.edits {
				out = append(out, fmt.Sprint(e.admin, e.id))
			}
			return out
		}
		var kept []*xmltree.Element
		var texts []string
		keep := func() {
			kept, texts = append(kept, c.Running(), c.Candidate()), append(texts, c.journal.running.String(), c.journal.candidate.Root.String())
		}
		others := func(who string) []string {
			return slices.DeleteFunc(pending(), func(e string) bool { return strings.HasPrefix(e, who) })
		}
		change := func(t *rapid.T) {
			who, running, before, edited := admin.Draw(t, "admin"), c.Running().String(), pending(), c.Marked()
			action := rapid.SampledFrom([]string{"set", "set", "set", "edit", "delete", "move", "rename"}).Draw(t, "action")
			path := rapid.SampledFrom([]string{addressPath, groupPath, rulesPath}).Draw(t, "path")
			n := name.Draw(t, "name")
			content := map[string]string{
				addressPath: `<entry name="` + n + `">` + rapid.SampledFrom([]string{"<ip-netmask>192.0.2.1</ip-netmask>", "<fqdn>x</fqdn>"}).Draw(t, "value") + `</entry>`,
				groupPath:   `<entry name="` + n + `"><static><member>` + name.Draw(t, "member") + `</member></static></entry>`,
				rulesPath:   strings.NewReplacer(`"one"`, `"`+n+`"`, ">g<", ">any<").Replace(ruleOne),
			}[path]
			switch action {
			case "move":
				content = rapid.SampledFrom([]string{"top", "bottom", "before a", "after b"}).Draw(t, "where")
			case "rename":
				content = name.Draw(t, "new name")
			}
			if action != "set" {
				path += "/entry[@name='" + n + "']"
			}
			err := c.Edit(who, action, path, content)
			if c.Running().String() != running {
				t.Fatalf("%s %s changed the running configuration", action, path)
			}
			after := pending()
			if len(after) > len(before) {
				after = after[:len(before)]
			}
			if !slices.Equal(after, before) || err != nil && c.Marked() != edited {
				t.Fatalf("%s %s: pending %v, before %v; error %v", action, path, pending(), before, err)
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"edit": change, "edit more": change, "edit still more": change,
			"commit": func(t *rapid.T) {
				keep()
				if err := c.Commit(admin.Draw(t, "admin")); err == nil && (c.Running().String() != c.Marked() || len(pending()) > 0) {
					t.Fatalf("after a full commit %v is pending", pending())
				}
			},
			"commit one's own": func(t *rapid.T) {
				keep()
				who, running, edited := admin.Draw(t, "admin"), c.Running().String(), c.Candidate()
				before, rest := pending(), others(who)
				c.RequestCommit(who, element(t, "<commit><partial><admin><member>"+who+"</member></admin></partial></commit>"))
				commits := list.All()
				switch after := pending(); {
				case len(commits) == 0 || commits[len(commits)-1].Result != "OK":
					if !slices.Equal(after, before) || c.Running().String() != running {
						t.Fatalf("a commit that did nothing: pending %v, before %v", after, before)
					}
				case !slices.Equal(after, rest):
					t.Fatalf("pending %v, want %v", after, rest)
				case !edited.Alike(c.Candidate()):
					t.Fatalf("a commit changed the candidate: %s\nwas %s", c.Candidate(), edited)
				}
			},
			"revert one's own": func(t *rapid.T) {
				who, before, edited := admin.Draw(t, "admin"), pending(), c.Marked()
				rest := others(who)
				if c.journal.revert(func(e *edit) bool { return e.admin == who }) {
					before = rest
				} else if c.Marked() != edited {
					t.Fatal("a revert that was refused changed the candidate")
				}
				if !slices.Equal(pending(), before) {
					t.Fatalf("pending %v, want %v", pending(), before)
				}
			},
			"": func(t *rapid.T) {
				again := xmltree.NewTree(c.journal.running)
				for _, e := range c.journal.edits {
					if _, refused := e.apply(&again); refused != nil && refused.code != 14 {
						t.Fatalf("%s of %s cannot be carried out again: %v", e.action, e.path, refused)
					}
				}
				if got, want := again.Root.String(), c.journal.candidate.Root.String(); got != want {
					t.Fatalf("candidate\n%s\nis not running and journal\n%s", want, got)
				}
				for i, e := range kept {
					if e.String() != texts[i] {
						t.Fatalf("a configuration that was kept has changed: %s\nwas %s", e, texts[i])
					}
				}
			},
		})
	})
}

func FuzzSchemaPath(f *testing.F) {
	for _, seed := range []string{
		rulesPath, addressPath + "/entry[@name='a' or @name=\"b\"]/@name", groupPath + "/entry[@name='g']/static/member[text()='a' or text()='b']",
		"/config/*/x", "/", "//a", "/a[", "/entry[@name=''']", "/entry[@name='a'or @name='b']", "/a/@", "/member[text()='ü']",
	} {
		f.Add(seed)
	}
	c, _ := factoryConfig(dialect.Dialect{})
	root := c.Running()
	before := root.String()
	f.Fuzz(func(t *testing.T, text string) {
		x, err := xmltree.ParsePath(text)
		if err != nil {
			return
		}
		schema.Firewall.At(x)
		base(x, root)
		if root.String() != before {
			t.Error("looking changes the configuration")
		}
	})
}
