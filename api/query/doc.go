// Package query is the Query protocol of AWS: forms in and XML out, for services
// that differ in their operations only. It is a branch of api. It owns the reading
// of forms into requests and the writing of results and errors.
// It does not know what any operation does.
package query
