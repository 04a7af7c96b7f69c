package capacity

import (
	"testing"

	"activedefense/firewall/xmlapi"
)

func answer(t *testing.T, text string) *xmlapi.Node {
	t.Helper()
	n, err := xmlapi.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestLimitsAreThoseOfTheFirewallElseOfItsModel(t *testing.T) {
	for _, c := range []struct {
		text, model string
		want        Limit
	}{
		{"<result><![CDATA[cfg.general.max-registered-ip-address: 0x3e8\ncfg.general.max-zone: 200\n]]></result>", "PA-440", Limit{1000, FromFirewall}},
		{"<result>cfg.general.max-registered-ip-address: 2500</result>", "PA-440", Limit{2500, FromFirewall}},
		{"<result>cfg.general.max-registered-ip-address: True</result>", "PA-440", Limit{50_000, FromModel}},
		{"<result/>", "PA-220R", Limit{1000, FromModel}},
		{"<result/>", "PA-3440", Limit{200_000, FromModel}},
		{"<result/>", "PA-5450", Limit{500_000, FromModel}},
		{"<result/>", "PA-VM", Limit{}},
		{"<result/>", "PA-1420", Limit{}},
	} {
		if got := ParseLimits(answer(t, c.text)).Registered(c.model); got != c.want {
			t.Errorf("%s, %s: %+v instead of %+v", c.model, c.text, got, c.want)
		}
	}
}

func TestTheCapacityOfLists(t *testing.T) {
	const numbers = `<running-cap>48000</running-cap><total-cap>50000</total-cap>`
	for _, c := range []struct {
		text, model string
		want        Lists
	}{
		{`<result><IP>` + numbers + `</IP><Domain><running-cap>1</running-cap><total-cap>2</total-cap></Domain></result>`, "PA-3220", Lists{Limit{50_000, FromFirewall}, 48_000}},
		{`<result><external-list><ip>` + numbers + `</ip></external-list></result>`, "PA-3220", Lists{Limit{50_000, FromFirewall}, 48_000}},
		{`<result><IP><running-cap>N/A</running-cap><total-cap>N/A</total-cap></IP></result>`, "PA-3220", Lists{Limit{150_000, FromModel}, 0}},
		{`<result/>`, "PA-3410", Lists{Limit{50_000, FromModel}, 0}},
		{`<result/>`, "PA-1420", Lists{}},
	} {
		if got := ParseLists(answer(t, c.text), c.model); got != c.want {
			t.Errorf("%s, %s: %+v instead of %+v", c.model, c.text, got, c.want)
		}
	}
}

func TestCounts(t *testing.T) {
	for text, want := range map[string]int{
		`<result>Total: 1000 registered addresses</result>`: 1000, `<result><count>7</count></result>`: 7, `<result/>`: -1, `<result><count>-7</count></result>`: -1,
	} {
		if got, err := ParseCount(answer(t, text)); err == nil && got != want || err != nil && want != -1 {
			t.Errorf("%s: %d, %v", text, got, err)
		}
	}
}

func TestRoom(t *testing.T) {
	for _, c := range []struct {
		room          Room
		percent, ours int
	}{
		{Room{}, 0, 0},
		{Room{Limit{1000, FromFirewall}, 900, 100}, 90, 900},
		{Room{Limit{1000, FromFirewall}, 891, 0}, 90, 1000},
		{Room{Limit{10, FromFirewall}, 20, 20}, 200, 0},
	} {
		if p, o := c.room.Percent(), c.room.Ours(); p != c.percent || o != c.ours {
			t.Errorf("%+v: %d %%, room for %d", c.room, p, o)
		}
	}
}
