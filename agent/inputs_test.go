package agent

import (
	"testing"

	"activedefense/config"
	"activedefense/detect/panos"
	"activedefense/firewall/policy"
)

// What firewalls are asked to write is what the inputs read: the longer formats, and the shorter one where it stands.
func TestFormatsAreThoseThatInputsRead(t *testing.T) {
	keys := policy.Formats{Traffic: panos.TrafficFormat, Threat: panos.ThreatFormat, GlobalProtect: panos.GlobalProtectFormat, System: panos.SystemFormat,
		Shorter: panos.CustomFormat, Logins: true}
	both := keys
	both.Default, both.CEF, both.LEEF = true, true, true
	kvAndCSV := keys
	kvAndCSV.Default = true
	for _, c := range []struct {
		inputs []string
		want   policy.Formats
	}{
		{[]string{"kv"}, keys}, {[]string{"auto"}, both}, {[]string{"kv", "csv"}, kvAndCSV}, {[]string{"csv"}, policy.Formats{Default: true, Logins: true}},
		{[]string{"cef"}, policy.Formats{CEF: true, Logins: true}}, {[]string{"leef", "pattern"}, policy.Formats{LEEF: true, Logins: true}},
		{[]string{"pattern"}, policy.Formats{Logins: true}},
	} {
		var inputs []config.Input
		for _, f := range c.inputs {
			inputs = append(inputs, config.Input{Format: f})
		}
		if got := formats(inputs); got != c.want {
			t.Errorf("%v: %+v", c.inputs, got)
		}
	}
}
