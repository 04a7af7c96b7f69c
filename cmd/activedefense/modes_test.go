package main

import (
	"encoding/xml"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"activedefense/detect/panos"
	"activedefense/firewall"
	"activedefense/firewall/panosim"
	"activedefense/firewall/policy"
	"activedefense/firewall/xmlapi"
)

// operatorsPage is what operators are told to make on their firewalls.
const operatorsPage = "../../firewall/README.md"

func readPage(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(operatorsPage)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// A role is one that the page gives, as a firewall's configuration holds it.
type role struct {
	text   string // the XML as it stands there
	Name   string `xml:"name,attr"`
	XMLAPI struct {
		Rights []struct {
			XMLName xml.Name
			Setting string `xml:",chardata"`
		} `xml:",any"`
	} `xml:"role>device>xmlapi"`
}

// roles reads the page's, by name.
func roles(t *testing.T) map[string]role {
	t.Helper()
	all := map[string]role{}
	for _, block := range strings.Split(readPage(t), "```xml\n")[1:] {
		text, _, _ := strings.Cut(block, "```")
		r := role{text: text}
		if err := xml.Unmarshal([]byte(text), &r); err != nil {
			t.Fatalf("%s: %v\n%s", operatorsPage, err, text)
		}
		all[r.Name] = r
	}
	return all
}

// granted gives the rights that a role enables.
func (r role) granted() (rights []panosim.Right) {
	for _, right := range r.XMLAPI.Rights {
		if right.Setting == "enable" {
			rights = append(rights, panosim.Right(right.XMLName.Local))
		}
	}
	return rights
}

const (
	daemonAdmin = "svc-activedefense"
	policyAdmin = "svc-provision"
)

// newAdministered makes a loop whose firewall has the page's roles, with the daemon's administrator in one of them and
// another administrator, as whom the world that is given beside it acts, in that of provisioning.
func newAdministered(t *testing.T, mode string, all map[string]role, daemonRole string) (w, provisioner *world) {
	t.Helper()
	var profiles, users strings.Builder
	for _, r := range all {
		profiles.WriteString(r.text)
	}
	for admin, name := range map[string]string{daemonAdmin: daemonRole, policyAdmin: "active-defense-provision"} {
		fmt.Fprintf(&users, `<entry name="%s"><permissions><role-based><custom><profile>%s</profile></custom></role-based></permissions></entry>`, admin, name)
	}
	const password = "not the daemon's"
	w = newLoop(t, mode, panosim.Options{
		Admin: daemonAdmin, Users: map[string]string{policyAdmin: password},
		Config: fmt.Sprintf(loopConfig, users.String(), "<admin-role>"+profiles.String()+"</admin-role>"),
	})
	config, err := os.ReadFile(w.config)
	if err != nil {
		t.Fatal(err)
	}
	other := *w
	other.config = w.dir + "/provision.yaml"
	w.write(w.dir+"/provision.password", []byte(password))
	w.write(other.config, []byte(strings.Replace(string(config), "api_key_file: "+w.dir+"/fw.key",
		"username: "+policyAdmin+", password_file: "+w.dir+"/provision.password", 1)))
	return w, &other
}

// In each mode the role that the page gives is enough to block, to release and to verify, and none of its rights is too
// many: without it, the daemon says that the role lacks it.
func TestTheRolesOfTheOperatorsPageAreTheLeast(t *testing.T) {
	all := roles(t)
	for mode, name := range map[string]string{"dynamic-tag": "active-defense-tag", "address-group": "active-defense-group", "edl": "active-defense-list"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel() // it waits for processes and commits
			if len(all[name].XMLAPI.Rights) != 9 {
				t.Fatalf("the role %s settles %d of 9 rights: %+v", name, len(all[name].XMLAPI.Rights), all[name])
			}
			w, provisioner := newAdministered(t, mode, all, name)
			d := w.start()
			w.until("the list is served", func() bool { s := w.status(); return s != nil && s.Ready && s.List.Loaded })
			if stdout, stderr, code := provisioner.run("provision", "--apply", "--adopt", "--commit"); code != 0 {
				t.Fatalf("provision: exit status %d\n%s%s", code, stdout, stderr)
			}
			level := func(want bool) func() bool {
				return func() bool {
					s := w.status()
					return s != nil && s.Firewalls[0].Up == want && (want || s.Firewalls[0].ErrorKind == xmlapi.KindRole)
				}
			}
			w.until("the firewall is level", level(true))

			const source = "203.0.113.66"
			attackers[source](w, source)
			w.until("the attacker is dropped", func() bool { return w.browse(source).Rule == blockRule })
			w.until("the daemon knows that it is", func() bool { return strings.Contains(d.log(), `"registered":1`) })
			for _, c := range jsonLines[policy.Check](w, "verify") {
				// What the limits of a virtual firewall are depends on its memory, which nobody tells.
				if c.Result != "pass" && !(c.Check == policy.CheckCapacity && strings.Contains(c.Detail, "the limit of model PA-VM is not known")) {
					t.Errorf("%s %s: %s", c.Result, c.Check, c.Detail)
				}
			}

			rights := all[name].granted()
			for i, right := range rights {
				d.stop()
				w.sim.Config().SetRole(daemonAdmin, append(slices.Delete(slices.Clone(rights), i, i+1), panosim.RightReport)...)
				if _, stderr, code := w.run("blacklist", "add", fmt.Sprintf("203.0.113.%d", 100+i), "--reason", "by hand"); code != 0 {
					t.Fatalf("blacklist add: exit status %d: %s", code, stderr)
				}
				d = w.start()
				w.until("the daemon misses the right "+string(right), level(false))
				w.sim.Config().SetRole(daemonAdmin, rights...)
				w.until("the daemon has gone on", level(true))
			}
		})
	}
}

// What the page gives to be typed is what the program reads and makes.
func TestTheOperatorsPageSaysWhatTheProgramDoes(t *testing.T) {
	page := readPage(t)
	n := firewall.NamesFor("active-defense")
	for _, text := range []string{
		panos.TrafficFormat, panos.ThreatFormat, panos.GlobalProtectFormat, panos.SystemFormat, n.Tag, n.Group, n.Nobody, n.List, n.Block, n.Listed, n.Sensor, n.Logs, n.Syslog, n.CertProf, n.CA,
		"activedefense verify", "activedefense provision", "activedefense keygen",
	} {
		if !strings.Contains(page, text) {
			t.Errorf("the page lacks %q", text)
		}
	}
	table := page[strings.Index(page, "\n## verify\n"):]
	for _, check := range policy.Verify(&policy.Facts{}, policy.Expectation{Names: n}) {
		if !strings.Contains(table, "| `"+check.Check+"` |") {
			t.Errorf("the page does not explain the check %s", check.Check)
		}
	}
}
