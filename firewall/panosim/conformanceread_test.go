package panosim_test

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"activedefense/firewall/panosim/xmltree"
)

var versionForm = regexp.MustCompile(`^\d+\.\d+\.\d+(-[a-z]+\d+)?$`)

func TestConformanceSystemInfo(t *testing.T) {
	with(t, false, func(c conversation) {
		r := c.op("<show><system><info/></system></show>")
		system := r.result().Child("system")
		c.want("success with <system>", r.ok() && system != nil, r)
		for _, name := range []string{"hostname", "model", "serial", "sw-version", "family", "time", "uptime", "multi-vsys"} {
			c.want("has <"+name+">", strings.TrimSpace(system.Value(name)) != "", r)
		}
		c.want("a version of three numbers", versionForm.MatchString(system.Value("sw-version")), r)
		c.want("multi-vsys is on or off", slices.Contains([]string{"on", "off"}, system.Value("multi-vsys")), r)
		_, err := time.Parse("Mon Jan _2 15:04:05 2006", strings.TrimSpace(system.Value("time")))
		c.want("a time that can be read", err == nil, r)
	})
}

// Nobody's name is used: a real one might be locked out.
func TestConformanceRefusedCredentials(t *testing.T) {
	with(t, false, func(c conversation) {
		r := c.send("", url.Values{"type": {"keygen"}, "user": {conformanceName + "-nobody"}, "password": {"wrong"}})
		c.want("keygen of a stranger is refused, without a key", !r.ok() && r.root.Attribute("status") == "error" && r.result().Value("key") == "", r)
		for _, key := range []string{"", "LUFRPT1wrong=="} {
			r = c.send(key, url.Values{"type": {"op"}, "cmd": {"<show><system><info/></system></show>"}})
			c.want("a wrong key is refused with 403", r.status == http.StatusForbidden && r.root.Attribute("code") == "403", r)
		}
	})
}

func TestConformanceRefusedCalls(t *testing.T) {
	with(t, false, func(c conversation) {
		r := c.op("<show><" + conformanceName + "/></show>")
		c.want("an unknown command has code 17", r.root.Attribute("status") == "error" && r.root.Attribute("code") == "17" && r.says("is unexpected"), r)
		for what, form := range map[string]url.Values{
			"an unknown type":    {"type": {conformanceName}},
			"a config action":    {"type": {"config"}, "action": {conformanceName}, "xpath": {"/config"}},
			"a broken command":   {"type": {"op"}, "cmd": {"<show"}},
			"a missing command":  {"type": {"op"}},
			"a config path":      {"type": {"config"}, "action": {"get"}},
			"a User-ID message":  {"type": {"user-id"}, "cmd": {"<uid-message>"}},
			"an unknown session": {"type": {"op"}, "cmd": {"<show><session><id>4294967295</id></session></show>"}},
		} {
			r := c.send(c.key, form)
			c.want(what+" is refused", r.root != nil && !r.ok(), r)
		}
	})
}

func TestConformanceJobs(t *testing.T) {
	with(t, false, func(c conversation) {
		r := c.op("<show><jobs><all/></jobs></show>")
		c.want("success", r.ok() && r.result() != nil, r)
		last := 0
		for _, job := range r.result().All() {
			if job.Value("type") == "Failed-Job" {
				continue // one that a restart lost has no number
			}
			id, _ := strconv.Atoi(job.Value("id"))
			c.want("a job with a number", job.Name == "job" && id > 0, r)
			c.want("the newest first", last == 0 || id < last, r)
			last = id
			c.want("a status", slices.Contains([]string{"PEND", "ACT", "FIN"}, job.Value("status")), r)
			c.want("a result", slices.Contains([]string{"PEND", "OK", "FAIL", "WARN"}, job.Value("result")), r)
			c.want("a type", job.Value("type") != "", r)
		}
		if last > 0 {
			r = c.op("<show><jobs><id>" + strconv.Itoa(last) + "</id></jobs></show>")
			c.want("one job by its number", r.ok() && r.result().Child("job").Value("id") == strconv.Itoa(last), r)
		}
		r = c.op("<show><jobs><id>4294967</id></jobs></show>")
		c.want("an unknown job is an error that says so", r.root.Attribute("status") == "error" && (r.says("not found") || r.says("No such query job")), r)
	})
}

// Pages follow one another without a gap, each of at most 500, until one is empty.
func TestConformanceRegisteredAddresses(t *testing.T) {
	with(t, false, func(c conversation) {
		const pageLimit = 500
		seen := map[string]bool{}
		for start := 1; start < 1_000_000; start += pageLimit {
			r := c.op("<show><object><registered-ip><all/><limit>" + strconv.Itoa(pageLimit) + "</limit><start-point>" + strconv.Itoa(start) +
				"</start-point></registered-ip></object></show>")
			c.want("success", r.ok() && r.result() != nil, r)
			entries := r.result().Entries()
			c.want("at most a page", len(entries) <= pageLimit, r)
			for _, e := range entries {
				ip := e.Attribute("ip")
				c.want("an address once, with its tags", ip != "" && !seen[ip] && len(e.Child("tag").Members()) > 0, r)
				seen[ip] = true
			}
			if count := r.result().Child("count"); count != nil {
				c.want("a count", isNumber(count.Text), r)
			}
			if len(entries) == 0 || c.t.Failed() {
				break
			}
		}
		r := c.op(`<show><object><registered-ip><tag><entry name="` + conformanceName + `-nothing"/></tag></registered-ip></object></show>`)
		c.want("a tag that nothing has is an empty success", r.ok() && len(r.result().Entries()) == 0, r)
	})
}

func TestConformanceDynamicGroups(t *testing.T) {
	with(t, false, func(c conversation) {
		r := c.op("<show><object><dynamic-address-group><all/></dynamic-address-group></object></show>")
		c.want("success", r.ok() && r.result().Child("dyn-addr-grp") != nil, r)
		for _, g := range r.result().Child("dyn-addr-grp").Entries() {
			c.want("a group with its filter and members", g.Value("group-name") != "" && g.Child("filter") != nil && g.Child("member-list") != nil, r)
			for _, m := range g.Child("member-list").Entries() {
				c.want("a member by name and type", m.ID() != "" && m.Attribute("type") != "", r)
			}
		}
	})
}

func TestConformanceConfiguration(t *testing.T) {
	with(t, false, func(c conversation) {
		r := c.config("get", c.place())
		c.want("get counts what it found", r.ok() && r.root.Attribute("code") == "19" && r.result().Attribute("count") == "1" &&
			r.result().Attribute("total-count") == "1" && len(r.result().Entries()) == 1, r)
		r = c.config("show", c.place())
		c.want("show has the element itself", r.ok() && len(r.result().Entries()) == 1, r)
		for _, e := range r.result().Entries() {
			c.want("what runs has no marks", e.Attribute("dirtyId") == "", r)
		}
		missing := c.place() + "/address/entry[@name='" + conformanceName + "-nothing']"
		r = c.config("get", missing)
		c.want("get of nothing is a success with code 7", r.ok() && r.root.Attribute("code") == "7" && len(r.result().All()) == 0, r)
		r = c.config("show", missing)
		c.want("show of nothing is an error", r.root.Attribute("status") == "error" && r.says("No such node"), r)
		r = c.config("get", "//address[")
		c.want("a path that is none finds nothing", !r.ok() || len(r.result().All()) == 0, r)
		r = c.config("get", c.place()+"/rulebase/security/rules/entry/@name")
		for _, e := range r.result().Entries() {
			c.want("an attribute comes without the rest", e.ID() != "" && len(e.Children) == 0, r)
		}
	})
}

func TestConformancePendingChangesAndLocks(t *testing.T) {
	with(t, false, func(c conversation) {
		r := c.op("<check><pending-changes></pending-changes></check>")
		c.want("yes or no", r.ok() && slices.Contains([]string{"yes", "no"}, r.text()), r)
		for _, what := range []string{"config-locks", "commit-locks"} {
			r = c.op("<show><" + what + "/></show>")
			c.want(what, r.ok() && r.result() != nil, r)
			for _, l := range r.result().Child(what).Entries() {
				c.want("a lock with its holder", l.ID() != "" && l.Child("name") != nil && l.Child("created") != nil, r)
			}
		}
		r = c.op("<show><config><list><changes></changes></list></config></show>")
		c.want("success", r.ok() && r.result() != nil, r)
		for _, e := range r.result().Child("journal").Entries() {
			c.want("a change with place and owner", strings.HasPrefix(e.Value("xpath"), "/config") && e.Value("owner") != "", r)
		}
	})
}

func TestConformanceHighAvailability(t *testing.T) {
	states := []string{"active", "passive", "initial", "suspended", "non-functional", "tentative", "active-primary", "active-secondary", "unknown"}
	with(t, false, func(c conversation) {
		r := c.op("<show><high-availability><state/></high-availability></show>")
		c.want("success that says whether", r.ok() && slices.Contains([]string{"yes", "no"}, r.result().Value("enabled")), r)
		if r.result().Value("enabled") == "no" {
			return
		}
		group := r.result().Child("group")
		for _, side := range []string{"local-info", "peer-info"} {
			c.want("a state of "+side, slices.Contains(states, group.Child(side).Value("state")), r)
		}
		c.want("how configurations stand", group.Value("running-sync") != "" && group.Value("running-sync-enabled") != "", r)
	})
}

// lists gives the External Dynamic Lists of IP addresses that are committed.
func (c conversation) lists() []string {
	var out []string
	for _, place := range []string{c.place(), "/config/shared"} {
		for _, e := range c.config("show", place+"/external-list").result().Child("external-list").Entries() {
			if e.Down("type", "ip") != nil {
				out = append(out, e.ID())
			}
		}
	}
	return out
}

func TestConformanceExternalLists(t *testing.T) {
	with(t, false, func(c conversation) {
		show := func(name string) reply {
			return c.op("<request><system><external-list><show><type><ip><name>" + xmltree.EscapeText(name) + "</name></ip></type></show></external-list></system></request>")
		}
		for _, name := range c.lists() {
			r := show(name)
			list := r.result().Child("external-list")
			c.want("a list by its name", r.ok() && list.Value("name") == name && isNumber(r.result().Attribute("total-count")), r)
			for _, count := range []string{"total-valid", "total-ignored", "total-invalid"} {
				c.want("has "+count, isNumber(list.Value(count)), r)
			}
		}
		r := show(conformanceName + "-nothing")
		c.want("one that there is not has code 17", r.root.Attribute("status") == "error" && r.root.Attribute("code") == "17" && r.says("is invalid"), r)
	})
}

func TestConformanceSessions(t *testing.T) {
	with(t, false, func(c conversation) {
		const filter = "<filter><source>" + conformanceAddress + "</source>"
		r := c.op("<show><session><all>" + filter + "</filter></all></session></show>")
		c.want("success", r.ok() && r.result() != nil, r)
		for _, e := range r.result().Entries() {
			c.want("a session with its number and source", isNumber(e.Value("idx")) && e.Value("source") == conformanceAddress, r)
		}
		r = c.op("<show><session><all>" + filter + "<count>yes</count></filter></all></session></show>")
		c.want("a count", r.ok() && len(r.result().Members()) == 1 && isNumber(r.result().Members()[0]), r)
	})
}

func TestConformancePushedPolicy(t *testing.T) {
	with(t, false, func(c conversation) {
		r := c.op("<show><config><pushed-shared-policy/></config></show>")
		c.want("success, with a policy or a word that there is none", r.ok() && r.result() != nil, r)
	})
}
