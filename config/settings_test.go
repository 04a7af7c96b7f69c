package config

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// Every key of the contract is there with its value, and no secret is.
func TestSettingsAreThoseInUse(t *testing.T) {
	text := `
store: {url: "postgres://ad:hidden1@db.example/ad"}
networks: {own: [198.51.100.0/24]}
notify:
  webhooks: [{url: "https://hooks.example/hidden2", headers: {Authorization: Bearer hidden3}}]
firewalls:
  - {name: LAB-FW-01, url: "https://192.0.2.1", api_key: hidden4}
  - {name: LAB-FW-02, url: "https://192.0.2.2", username: svc, password: hidden5, mode: edl}
`
	cfg, _, err := Load(Options{Path: write(t, "activedefense.yaml", text, 0o600), Environ: []string{"ACTIVEDEFENSE_DETECT__PORT_SCAN__PORTS=20"}})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]Setting{}
	for _, s := range cfg.Settings() {
		if _, twice := got[s.Key]; twice {
			t.Errorf("%s is there twice", s.Key)
		}
		got[s.Key] = s
	}
	for key, want := range map[string]string{
		"store.url": "postgres://ad:redacted@db.example/ad false", "networks.own": "[198.51.100.0/24] false", "detect.port_scan.ports": "20 false", "detect.port_scan.window": "10m true",
		"inputs[0].path": "/var/log/Firewall/*.log false", "inputs[0].timezone": "Local true", "notify.webhooks[0].url": "[redacted] false", "notify.webhooks[0].headers": "[Authorization: [redacted]] false",
		"firewalls[0].api_key": "[redacted] false", "firewalls[1].api_key": " true", "firewalls[1].password": "[redacted] false", "firewalls[1].mode": "edl false", "firewalls[0].name": "LAB-FW-01 false",
		"labels": "[] true", "never_block": "[] true", "detect.vulnerability.threat_ids": "[40001 40005 40007 40015] true",
	} {
		if s := got[key]; fmt.Sprint(s.Value, " ", s.Preset) != want {
			t.Errorf("%s is %v, preset %v, and not %s", key, s.Value, s.Preset, want)
		}
	}
	for _, f := range schema {
		if _, is := got[f.path]; !is && !strings.Contains(f.path, "[]") && f.kind != elements {
			t.Errorf("%s is missing", f.path)
		}
	}
	shown, err := json.Marshal(cfg.Settings())
	if err != nil || strings.Contains(string(shown), "hidden") {
		t.Errorf("a secret is shown: %s, %v", shown, err)
	}
}

// Threat ids that are left out are the built-in ones, or none where only they would be left of a rule that is off.
func TestSettingsSayWhatLeavingThreatIDsOutMeans(t *testing.T) {
	for rule, want := range map[string]string{"{}": "[40001 40005 40007 40015] true", "{severity: off}": "<nil> true", "{threat_ids: [40017]}": "[40017] false", "{threat_ids: []}": "[] false"} {
		cfg, _, err := Load(Options{Path: write(t, "activedefense.yaml", "detect: {vulnerability: "+rule+"}", 0o600)})
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range cfg.Settings() {
			if got := fmt.Sprint(s.Value, " ", s.Preset); s.Key == "detect.vulnerability.threat_ids" && got != want {
				t.Errorf("%s: %s, want %s", rule, got, want)
			}
		}
	}
}
