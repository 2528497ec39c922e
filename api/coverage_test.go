package api_test

import (
	"flag"
	"fmt"
	"net/http"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	sdkv1 "github.com/aws/aws-sdk-go-v2/service/ses"
	sdkv2 "github.com/aws/aws-sdk-go-v2/service/sesv2"
	"github.com/google/go-cmp/cmp"

	"github.com/sesame-mta/sesame/api"
	"github.com/sesame-mta/sesame/api/ses"
	"github.com/sesame-mta/sesame/api/sesv2"
	"github.com/sesame-mta/sesame/api/sns"
)

var update = flag.Bool("update", false, "write the golden files")

// operations gives the names of the operations that a client of the official SDK
// has: its methods of the form Op(ctx, *OpInput, ...).
func operations(client any) (names []string) {
	t := reflect.TypeOf(client)
	for i := range t.NumMethod() {
		m := t.Method(i)
		if m.Type.NumIn() == 4 && m.Type.In(2).Kind() == reflect.Pointer && m.Type.In(2).Elem().Name() == m.Name+"Input" {
			names = append(names, m.Name)
		}
	}
	return names
}

func names(list []api.Operation) (out []string) {
	for _, o := range list {
		out = append(out, o.Name)
	}
	return out
}

func TestTheTablesListEveryOperationOfTheOfficialSDKs(t *testing.T) {
	if diff := cmp.Diff(operations(&sdkv1.Client{}), names(ses.New(&api.Rooms{}).Operations())); diff != "" {
		t.Errorf("version 1 (-SDK +table):\n%s", diff)
	}
	if diff := cmp.Diff(operations(&sdkv2.Client{}), names(sesv2.New(&api.Rooms{}).Operations())); diff != "" {
		t.Errorf("version 2 (-SDK +table):\n%s", diff)
	}
}

func TestEveryOperationSaysWhatItIs(t *testing.T) {
	for _, o := range slices.Concat(ses.New(&api.Rooms{}).Operations(), sesv2.New(&api.Rooms{}).Operations(), sns.New(&api.Rooms{}).Operations()) {
		if (o.State == api.Done) != (o.Note == "") {
			t.Errorf("%s is %s, with the note %q", o.Name, o.State, o.Note)
		}
		if o.Method != "" && (!strings.HasPrefix(o.Path, "/v2/email/") || o.Method == http.MethodPatch) {
			t.Errorf("%s has the path %s %s", o.Name, o.Method, o.Path)
		}
	}
}

const coverage = "../docs/api-coverage.md"

func TestCoverageIsWrittenDown(t *testing.T) {
	var b strings.Builder
	b.WriteString("# What of the SES API is there\n\n" +
		"Made of the route tables by `go test ./api -update`. An operation that is not there answers as SES does in a\n" +
		"Region without it (`Unavailable Operation`), never with a success that is none.\n")
	for _, version := range []struct {
		title string
		list  []api.Operation
	}{{"Version 2 (REST)", sesv2.New(&api.Rooms{}).Operations()}, {"Version 1 (Query)", ses.New(&api.Rooms{}).Operations()},
		{"SNS, of which there is no more", sns.New(&api.Rooms{}).Operations()}} {
		count := map[api.State]int{}
		for _, o := range version.list {
			count[o.State]++
		}
		fmt.Fprintf(&b, "\n## %s\n\n%d operations: %d done, %d partial, %d not yet, %d not applicable.\n\n| Operation | State |\n| --- | --- |\n",
			version.title, len(version.list), count[api.Done], count[api.Partial], count[api.Later], count[api.NotApplicable])
		for _, o := range version.list {
			state := o.State.String()
			if o.Note != "" {
				state += ": " + o.Note
			}
			name := o.Name
			if o.Method != "" {
				name += " (`" + o.Method + " " + o.Path + "`)"
			}
			fmt.Fprintf(&b, "| %s | %s |\n", name, state)
		}
	}
	if *update {
		if err := os.WriteFile(coverage, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(coverage)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Errorf("docs/api-coverage.md is not that of the tables; go test ./api -update writes it:\n%s", diff)
	}
}
