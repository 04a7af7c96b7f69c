package web

import (
	"fmt"
	"net/http"
	"strings"

	"activedefense/agent/api"
	"activedefense/agent/members"
	"activedefense/config"
)

// A setting is one key, as people read its value.
type setting struct {
	config.Setting
	Text string
}

func (p *Pages) settings(v *visit) error {
	ctx := v.r.Context()
	s, err := v.status()
	if err != nil {
		return err
	}
	out := &struct {
		*status
		Settings []setting
		Members  []members.Status
	}{status: &s}
	var got api.Settings
	if err := v.api.Get(ctx, "settings", nil, &got); err != nil {
		return err
	}
	for _, one := range got.Settings {
		out.Settings = append(out.Settings, setting{one, textOf(one.Value)})
	}
	var agents api.Members
	if err := v.api.Get(ctx, "members", nil, &agents); err != nil {
		return err
	}
	out.Members = agents.Members
	p.show(v, http.StatusOK, "settings", "Settings", out)
	return nil
}

// textOf is a value as people read it.
func textOf(v any) string {
	switch v := v.(type) {
	case nil:
		return "not set"
	case []any:
		var all []string
		for _, one := range v {
			all = append(all, fmt.Sprint(one))
		}
		if len(all) == 0 {
			return "none"
		}
		return strings.Join(all, ", ")
	case float64:
		return number(v)
	case string:
		if v == "" {
			return "empty"
		}
	}
	return fmt.Sprint(v)
}
