package panosim

import (
	"net/url"
	"strings"
	"testing"
)

const (
	vsysPath  = "/config/devices/entry[@name='localhost.localdomain']/vsys/entry[@name='vsys1']"
	rulesPath = vsysPath + "/rulebase/security/rules"
)

// config makes a call of type=config with pairs of names and values.
func (p *peer) config(action, path string, pairs ...string) string {
	p.Helper()
	form := url.Values{"type": {"config"}, "action": {action}, "xpath": {path}, "key": {p.sim.Key()}}
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	return p.post(form).body
}

const succeeded = `<response status="success" code="20"><msg>command succeeded</msg></response>`

func TestConfigSmoke(t *testing.T) {
	p := newPeer(t, start(t, Options{}))
	expect(t, "set", p.config("set", vsysPath+"/address", "element", `<entry name="a"><ip-netmask>192.0.2.1</ip-netmask></entry>`), succeeded)
	t.Log(p.config("get", vsysPath+"/address/entry[@name='a']"))
	t.Log(p.config("show", vsysPath+"/address/entry[@name='a']"))
	t.Log(p.config("set", vsysPath+"/address-group", "element", `<entry name="g"><static><member>a</member></static></entry>`))
	t.Log(p.config("delete", vsysPath+"/address/entry[@name='a']"))
	t.Log(p.config("set", vsysPath+"/address", "element", `<entry name="b"><ip-netmask>x</ip-netmask><color/></entry>`))
	t.Log(p.op("<show><config><list><changes/></list></config></show>"))
	t.Log(p.post(url.Values{"type": {"commit"}, "cmd": {"<commit/>"}, "key": {p.sim.Key()}}).body)
	t.Log(p.op("<show><jobs><all/></jobs></show>"))
	t.Log(p.config("show", vsysPath+"/address/entry[@name='a']"))
	if !strings.Contains(p.sim.Running(), `name="a"`) {
		t.Error(p.sim.Running())
	}
}
