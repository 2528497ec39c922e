package api_test

import (
	"fmt"

	"github.com/sesame-mta/sesame/api"
	"github.com/sesame-mta/sesame/mail"
)

func ExamplePage() {
	names := []string{"ann", "bob", "cy"}
	self := func(s string) string { return s }
	page, next, _ := api.Page(names, self, "", 2)
	fmt.Println(page, next != "")
	page, next, _ = api.Page(names, self, next, 2)
	fmt.Println(page, next != "")
	_, _, err := api.Page(names, self, "made up", 2)
	fmt.Println(err)
	// Output:
	// [ann bob] true
	// [cy] false
	// The specified NextToken is invalid.
}

func ExampleExplain() {
	e := api.Explain(mail.Recorded(454, 7, 0, "Throttling failure: Maximum sending rate exceeded."))
	fmt.Println(e.Query.Status, e.Query.Code, e.REST.Status, e.REST.Code, e.Message)
	// Output: 400 Throttling 429 TooManyRequestsException Maximum sending rate exceeded.
}
