package api

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/knadh/koanf/parsers/yaml"

	"activedefense/agent/explain"
)

// described are the routes that config/openapi.yaml has, each as a line: method, path, role, where it is served, parameters.
func described(t *testing.T) (lines []string) {
	t.Helper()
	text, err := os.ReadFile("../../config/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	document, err := yaml.Parser().Unmarshal(text)
	if err != nil {
		t.Fatal(err)
	}
	shared := document["components"].(map[string]any)["parameters"].(map[string]any)
	for path, methods := range document["paths"].(map[string]any) {
		for method, operation := range methods.(map[string]any) {
			o := operation.(map[string]any)
			var params []string
			list, _ := o["parameters"].([]any)
			for _, p := range list {
				one := p.(map[string]any)
				if ref, ok := one["$ref"].(string); ok {
					one = shared[strings.TrimPrefix(ref, "#/components/parameters/")].(map[string]any)
				}
				params = append(params, fmt.Sprint(one["in"], ":", one["name"]))
			}
			if o["responses"].(map[string]any)["default"] == nil {
				t.Errorf("%s %s does not say what a fault looks like", method, path)
			}
			slices.Sort(params)
			local, _ := o["x-local"].(bool)
			lines = append(lines, fmt.Sprint(strings.ToUpper(method), " ", strings.TrimPrefix(path, "/"), " ", o["x-role"], " ", local, " ", params))
		}
	}
	slices.Sort(lines)
	return lines
}

// What the document says is what is served, and the other way round.
func TestTheDocumentIsWhatIsServed(t *testing.T) {
	var served []string
	inPath := regexp.MustCompile(`\{(\w+)\}`)
	for _, r := range routes {
		var params []string
		for _, name := range inPath.FindAllStringSubmatch(r.path, -1) {
			params = append(params, "path:"+name[1])
		}
		for name := range strings.FieldsSeq(r.params) {
			params = append(params, "query:"+name)
		}
		slices.Sort(params)
		served = append(served, fmt.Sprint(r.method, " ", r.path, " ", cmp.Or(r.role, 99), " ", r.local, " ", params))
	}
	slices.Sort(served)
	document := described(t)
	for _, line := range served {
		if !slices.Contains(document, line) {
			t.Errorf("config/openapi.yaml lacks %s", line)
		}
	}
	for _, line := range document {
		if !slices.Contains(served, line) {
			t.Errorf("config/openapi.yaml has what is not served: %s", line)
		}
	}
}

// The fields of what the document describes one by one are those that are served.
func TestTheDocumentHasTheFieldsThatAreServed(t *testing.T) {
	text, err := os.ReadFile("../../config/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	document, err := yaml.Parser().Unmarshal(text)
	if err != nil {
		t.Fatal(err)
	}
	schemas := document["components"].(map[string]any)["schemas"].(map[string]any)
	for name, of := range map[string]reflect.Type{"Change": reflect.TypeFor[Change](), "Near": reflect.TypeFor[explain.Near]()} {
		var fields []string
		for i := range of.NumField() {
			field, _, _ := strings.Cut(of.Field(i).Tag.Get("json"), ",")
			fields = append(fields, field)
		}
		slices.Sort(fields)
		if have := slices.Sorted(maps.Keys(schemas[name].(map[string]any)["properties"].(map[string]any))); !slices.Equal(have, fields) {
			t.Errorf("%s has %v in config/openapi.yaml; served are %v", name, have, fields)
		}
	}
}
