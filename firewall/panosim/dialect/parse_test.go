package dialect

import (
	"strings"
	"testing"
)

func TestDialectsAreReadBack(t *testing.T) {
	for _, d := range All() {
		if got, err := Parse(d.String()); err != nil || got != d {
			t.Errorf("%s: read back as %s, error %v", d, got, err)
		}
	}
	for text, want := range map[string]Dialect{
		"": {}, "plain": {}, "renewal=resets": {},
		" limit=per-entry-error, extras=yes ": {Limit: LimitPerEntryError, Extras: ExtrasPresent},
	} {
		if got, err := Parse(text); err != nil || got != want {
			t.Errorf("%q: %s, error %v", text, got, err)
		}
	}
}

func TestDialectsThatAreNone(t *testing.T) {
	for text, want := range map[string]string{
		"limits=silent-drop":                  `no field "limits"; there are duplicates, missing,`,
		"limit=none":                          `limit cannot be "none", but one of silent-drop, per-entry-error`,
		"limit":                               `limit cannot be ""`,
		"limit=silent-drop,limit=silent-drop": "limit is given twice",
		"plain,limit=silent-drop":             `no field "plain"`,
	} {
		if _, err := Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %s", text, err, want)
		}
	}
}
