package firewall

import "testing"

func TestAZoneIsNamedLikeTheInternetByWholeWords(t *testing.T) {
	for zone, want := range map[string]bool{
		"untrust": true, "Untrust-L3": true, "L3Untrust": true, "UntrustZone": true, "WAN": true, "wan6": true, "WAN_2": true, "outside.isp": true, "internet-dmz": true,
		"": false, "trust": false, "Swansea": false, "taiwan": false, "wanda": false, "internets": false, "dmz": false, "inside": false, "Zürich": false,
	} {
		if got := NamedLikeInternet(zone); got != want {
			t.Errorf("%q: %v", zone, got)
		}
	}
}
