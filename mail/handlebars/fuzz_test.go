package handlebars_test

import (
	"errors"
	"testing"

	"github.com/sesame-mta/sesame/mail/handlebars"
)

func FuzzRender(f *testing.F) {
	for _, seed := range []string{
		"Hello {{name}}", "{{#each l}}{{@index}}{{this.x}}{{else}}{{../y}}{{/each}}", "{{#if a}}{{else if b}}{{/if}}{{{c}}}",
		`{{#*inline "n"}} x {{/inline}}` + "\n  {{> n a}}\n", "{{!-- x --}}{{~y~}}\\{{z}}", "{{#with [a b]}}{{.}}{{/with}}",
	} {
		f.Add(seed, `{"name":"x","l":[{"x":1},2],"a":{"b":[]}}`)
	}
	f.Fuzz(func(t *testing.T, template, data string) {
		parsed, err := handlebars.Parse(template)
		if err != nil {
			var syntax *handlebars.SyntaxError
			if !errors.As(err, &syntax) || syntax.Line < 1 {
				t.Fatalf("not a syntax error: %v", err)
			}
			return
		}
		d, err := handlebars.ReadData(data)
		if err != nil {
			return
		}
		b := &handlebars.Budget{Steps: 10_000, Octets: 20_000}
		out, err := parsed.Render(t.Context(), d, b)
		var missing *handlebars.MissingError
		switch {
		case len(out) > 20_000:
			t.Fatalf("%d octets", len(out))
		case err == nil, errors.As(err, &missing), errors.Is(err, handlebars.ErrOutput), errors.Is(err, handlebars.ErrWork):
		default:
			t.Fatal(err)
		}
	})
}
