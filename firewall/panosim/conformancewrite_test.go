package panosim_test

import (
	"net/url"
	"slices"
	"strings"
	"testing"
)

// tagging sends one half of a User-ID message about the address of the tests.
func (c conversation) tagging(half, timeout string) reply {
	c.t.Helper()
	if timeout != "" {
		timeout = ` timeout="` + timeout + `"`
	}
	return c.send(c.key, url.Values{"type": {"user-id"}, "cmd": {"<uid-message><version>2.0</version><type>update</type><payload><" + half +
		`><entry ip="` + conformanceAddress + `"><tag><member` + timeout + `>` + conformanceName + `</member></tag></entry></` + half +
		"></payload></uid-message>"}})
}

// tagged says whether the address of the tests carries their tag.
func (c conversation) tagged() bool {
	c.t.Helper()
	r := c.op(`<show><object><registered-ip><tag><entry name="` + conformanceName + `"/></tag></registered-ip></object></show>`)
	c.want("reading by tag", r.ok(), r)
	for _, e := range r.result().Entries() {
		ip, _, _ := strings.Cut(e.Attribute("ip"), "/")
		if ip == conformanceAddress && slices.Contains(e.Child("tag").Members(), conformanceName) {
			return true
		}
	}
	return false
}

// The tag has a timer, so that it goes by itself should the test be cut short.
func TestConformanceRegister(t *testing.T) {
	with(t, true, func(c conversation) {
		defer c.tagging("unregister", "")
		r := c.tagging("register", "60")
		c.want("registered", r.ok() && r.result().Down("uid-response", "payload", "register") != nil, r)
		c.want("it stands", c.tagged(), r)
		r = c.tagging("register", "60")
		c.want("again is a success, or says that it stands", r.ok() || r.says("already exists"), r)
		r = c.tagging("unregister", "")
		c.want("unregistered", r.ok() && r.result().Down("uid-response", "payload", "unregister") != nil, r)
		c.want("it is gone", !c.tagged(), r)
		r = c.tagging("unregister", "")
		c.want("again is a success, or says that it is not there", r.ok() || r.says("does not exist"), r)
	})
}

// change is one line of the list of changes that are not committed.
type change struct{ xpath, owner string }

func (c conversation) changes() []change {
	c.t.Helper()
	r := c.op("<show><config><list><changes></changes></list></config></show>")
	c.want("the list of changes", r.ok(), r)
	var out []change
	for _, e := range r.result().Child("journal").Entries() {
		out = append(out, change{e.Value("xpath"), e.Value("owner")})
	}
	return out
}

// An object of ours is put into the candidate and taken back: by a revert of our edits alone if the administrator has no
// others, which they would go with. Nothing is committed, so nothing of anybody else is.
func TestConformanceEditAndRevert(t *testing.T) {
	with(t, true, func(c conversation) {
		table := c.place() + "/tag"
		object := table + "/entry[@name='" + conformanceName + "']"
		r := c.config("get", object)
		c.want("nothing is left of an earlier run", r.ok() && r.root.Attribute("code") == "7", r)
		before := c.changes()
		if c.t.Failed() {
			return
		}
		defer func() {
			if r := c.config("get", object); r.root.Attribute("code") == "19" {
				c.config("delete", object)
			}
		}()
		r = c.config("set", table, "element", `<entry name="`+conformanceName+`"><color>color1</color></entry>`)
		c.want("set", r.ok() && r.root.Attribute("code") == "20" && r.says("command succeeded"), r)
		r = c.config("get", object)
		c.want("it stands in the candidate", r.ok() && r.result().Attribute("count") == "1" && r.result().Entries()[0].Value("color") == "color1", r)
		r = c.config("show", object)
		c.want("it does not run", !r.ok(), r)
		r = c.op("<check><pending-changes></pending-changes></check>")
		c.want("it is pending", r.ok() && r.text() == "yes", r)
		r = c.config("set", table, "element", `<entry name="`+conformanceName+`"><color>no such color</color></entry>`)
		c.want("a wrong value is refused with code 12", r.root.Attribute("status") == "error" && r.root.Attribute("code") == "12", r)
		at := slices.IndexFunc(c.changes(), func(ch change) bool { return strings.Contains(ch.xpath, conformanceName) })
		if at < 0 {
			c.t.Fatalf("the list of changes has no word of %s", conformanceName)
		}
		owner := c.changes()[at].owner
		if slices.ContainsFunc(before, func(ch change) bool { return ch.owner == owner }) {
			r = c.config("delete", object)
			c.want("deleted", r.ok() && r.root.Attribute("code") == "20", r)
		} else {
			r = c.op("<revert><config><partial><admin><member>" + owner + "</member></admin></partial></config></revert>")
			c.want("reverted", r.ok() && r.says("reverted"), r)
		}
		r = c.config("get", object)
		c.want("it is gone", r.ok() && r.root.Attribute("code") == "7", r)
		r = c.config("delete", object)
		c.want("to delete nothing is a success with code 7", r.ok() && r.root.Attribute("code") == "7", r)
	})
}

// A refresh has the firewall fetch a list that it fetches anyway.
func TestConformanceRefreshList(t *testing.T) {
	with(t, true, func(c conversation) {
		refresh := func(name string) reply {
			return c.op("<request><system><external-list><refresh><type><ip><name>" + name + "</name></ip></type></refresh></external-list></system></request>")
		}
		for _, name := range c.lists() {
			r := refresh(name)
			c.want("a job is enqueued", r.ok() && r.says("EDL refresh job enqueued"), r)
		}
		r := refresh(conformanceName + "-nothing")
		c.want("one that there is not is refused", r.root.Attribute("status") == "error" && r.root.Attribute("code") == "17", r)
	})
}
