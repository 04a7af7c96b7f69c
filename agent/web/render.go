package web

import (
	"embed"
	"fmt"
	"html/template"
	"net/url"
	"path"
	"reflect"
	"strings"
	"time"

	"activedefense/agent/display"
)

//go:embed pages
var pages embed.FS

// parse reads the templates: each page with what stands around it and what pages share.
func parse(p *Pages) (map[string]*template.Template, error) {
	functions := template.FuncMap{
		"file":  func(name string) string { return "/ui/static/" + name + "?v=" + p.files[name].hash },
		"stamp": stamp,
		"count": count,
		"bytes": display.Bytes,
		"page":  func(address string) string { return "/ui/address/" + url.PathEscape(address) },
		"join":  strings.Join,
		"rate":  rateText,
		"dict":  dict,
		"lower": strings.ToLower,
	}
	names, err := pages.ReadDir("pages")
	if err != nil {
		return nil, err
	}
	all := make(map[string]*template.Template)
	for _, entry := range names {
		name := strings.TrimSuffix(entry.Name(), path.Ext(entry.Name()))
		if name == "frame" || name == "parts" {
			continue
		}
		t, err := template.New(name).Funcs(functions).Option("missingkey=error").ParseFS(pages, "pages/frame.html", "pages/parts.html", "pages/"+entry.Name())
		if err != nil {
			return nil, err
		}
		all[name] = t
	}
	return all, nil
}

// A moment is a time as a page has it: as people of this place read it, and as programs do.
type moment struct{ ISO, Date, Clock string }

// stamp renders a time, or a pointer to one; nil and the zero time are none.
func stamp(v any) *moment {
	t := timeOf(v)
	if t.IsZero() {
		return nil
	}
	date, clock, _ := strings.Cut(display.LocalTime(t), " ")
	return &moment{t.Local().Format(time.RFC3339), date, clock}
}

func timeOf(v any) time.Time {
	switch t := v.(type) {
	case time.Time:
		return t
	case *time.Time:
		if t != nil {
			return *t
		}
	}
	return time.Time{}
}

// count writes a whole number of any kind with separators; what is not known is said to be so.
func count(n any) string {
	v := reflect.ValueOf(n)
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return "unknown"
		}
		v = v.Elem()
	}
	if v.CanUint() {
		return display.Grouped(v.Uint())
	}
	return display.Grouped(v.Int())
}

// rateText writes how many a second there are: the script does it alike.
func rateText(perSecond float64) string {
	if perSecond > 0 && perSecond < 10 {
		return fmt.Sprintf("%.1f", perSecond)
	}
	return display.Grouped(int64(perSecond + 0.5))
}

// dict gives a part of a page several values, as names and values in turn.
func dict(pairs ...any) (map[string]any, error) {
	if len(pairs)%2 != 0 {
		return nil, fmt.Errorf("%d values are no pairs", len(pairs))
	}
	m := make(map[string]any)
	for i := 0; i < len(pairs); i += 2 {
		m[fmt.Sprint(pairs[i])] = pairs[i+1]
	}
	return m, nil
}
