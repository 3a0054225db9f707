// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusProtocol
import Testing

@Suite struct Routing {
    /// What a table of these patterns, without subprotocols, has for a path.
    private func match(_ patterns: [String], _ path: String) throws -> Outcome {
        var table = RouteTable<String>()
        for pattern in patterns {
            #expect(table.insert(pattern, at: try RoutePattern(pattern), protocol: .absent))
        }
        return Outcome(table.match(path: path, offers: []))
    }

    @Test(arguments: [
        ("/", "/"), ("/chat", "/chat"), ("/chat/", "/chat/"), ("/a/b/c", "/a/b/c"),
        ("/caf\u{E9}", "/caf%C3%A9"), ("/a b", "/a%20b"), ("/chat", "/%63h%61t"),
        ("/:a", "/x"), ("/*", "/x"), ("/*/", "/x/"), ("/a/*/c", "/a/b/c"),
        ("/**", "/"), ("/**", "/a"), ("/**", "/a/b/"), ("/a/**", "/a/"), ("/a/**", "/a/b"),
        ("/a:b", "/a:b"), ("/...", "/..."), ("/.well-known/x", "/.well-known/x"),
    ])
    func `pattern matches its path`(pattern: String, path: String) throws {
        #expect(try match([pattern], path).route == pattern)
    }

    @Test(arguments: [
        ("/", "/a"), ("/chat", "/"), ("/chat", "/chat/"), ("/chat/", "/chat"), ("/chat", "/Chat"),
        ("/chat", "/chats"), ("/chat", "/cha"), ("/chat", "/chat/x"), ("/a/b", "/a"),
        ("/:a", "/"), ("/*", "/"), ("/a/:b", "/a/"), ("/a/:b", "/a"), ("/:a", "/x/"),
        ("/:a", "/x/y"), ("/a/**", "/a"), ("/a/**", "/b/c"), ("/caf\u{E9}", "/cafe%CC%81"),
        ("/a", "/%2561"),
    ])
    func `pattern does not match another path`(pattern: String, path: String) throws {
        #expect(try match([pattern], path) == .noRoute)
    }

    @Test(arguments: [
        "", "*", "chat", "//", "/a//b", "//a", "/./a", "/a/.", "/..", "/a/../b", "/%2e",
        "/%2E%2e/a", "/.%2e", "/a%2Fb", "/a%2fb", "/a\\b", "/a%5Cb", "/%", "/%4", "/%zz", "/%4g",
        "/a%", "/%00", "/%1F", "/%7F", "/%C2%85", "/%C2%9F",
        "/a%0D%0A", "/%FF", "/%C3", "/%ED%A0%80", "/%C0%AF", "/%%33%35",
    ])
    func `path that readers may take for another is for no route`(path: String) throws {
        #expect(try match(["/**", "/:a", "/chat"], path) == .malformedPath)
    }

    @Test func `characters beside the control characters are taken`() throws {
        #expect(
            try match(["/:a"], "/%20~%C2%A0") == .route("/:a", parameters: ["a": " ~\u{A0}"])
        )
    }

    @Test func `parameters are decoded once`() throws {
        #expect(
            try match(["/rooms/:room/:user_1"], "/rooms/caf%C3%A9%20x/%252e%2525")
                == .route(
                    "/rooms/:room/:user_1",
                    parameters: ["room": "caf\u{E9} x", "user_1": "%2e%25"]
                )
        )
        #expect(
            try match(["/f/:a/*/**"], "/f/1/2/3/%34/")
                == .route("/f/:a/*/**", parameters: ["a": "1", "**": "3/4/"])
        )
        #expect(try match(["/f/**"], "/f/") == .route("/f/**", parameters: ["**": ""]))
    }

    @Test(arguments: [
        ("/a/b", "/a/b"), ("/a/c", "/a/:x"), ("/c/b", "/:x/b"), ("/c/d", "/:x/*"),
        ("/a/b/c", "/a/**"), ("/a/", "/a/**"), ("/c/d/e", "/**"), ("/a", "/**"), ("/", "/"),
    ])
    func `most specific pattern wins, in whatever order they came`(
        path: String,
        expected: String
    ) throws {
        let patterns = ["/", "/a/b", "/a/:x", "/:x/b", "/:x/*", "/a/**", "/**"]
        #expect(try match(patterns, path).route == expected)
        #expect(try match(patterns.reversed(), path).route == expected)
    }

    @Test func `more specific beginning that leads nowhere is left again`() throws {
        let patterns = ["/a/b/c", "/a/:x/d", "/:x/:y/e", "/**"]
        #expect(try match(patterns, "/a/b/d").route == "/a/:x/d")
        #expect(try match(patterns, "/a/b/e").route == "/:x/:y/e")
        #expect(try match(patterns, "/a/b/f").route == "/**")
    }

    @Test(arguments: [
        ("", "slash"), ("chat", "slash"), ("*", "/**"), ("/a//b", "segment"), ("/..", "segment"),
        ("/a%20b", "percent"), ("/**/a", "before its end"), ("/**/", "before its end"),
        ("/:", "name"), ("/:a-b", "name"), ("/:\u{E9}", "name"), ("/:a/:a", "two parameters a"),
        ("/a*", "*"), ("/***", "*"), ("/a\\b", "segment"), ("/a\u{0}", "segment"),
    ])
    func `malformed pattern says what is wrong`(pattern: String, problem: String) throws {
        let error = #expect(throws: RoutePatternError.self) { try RoutePattern(pattern) }
        #expect(error?.description.contains(problem) == true)
        #expect(error?.description.hasPrefix("the pattern \(pattern) ") == true)
    }

    // MARK: Subprotocols

    private func table(_ protocols: [String?]) throws -> RouteTable<String> {
        var table = RouteTable<String>()
        for name in protocols {
            let isNew = table.insert(
                name ?? "-",
                at: try RoutePattern("/chat"),
                protocol: try #require(RouteProtocol(name))
            )
            #expect(isNew)
        }
        return table
    }

    @Test(
        arguments: [
            (["a", "b"], ["b", "a"], "b", "b"), (["a", "b"], ["x", "B"], "b", "B"),
            ([nil, "a"], [], "-", nil), ([nil, "a", "*"], [], "-", nil),
            (["a", "*"], [], "*", nil),
            (["a", "*"], ["x", "a"], "*", "x"), (["*", "a"], ["A", "x"], "a", "A"),
            (["*"], ["x"], "*", "x"), (["*", nil], ["x"], "*", "x"),
        ] as [([String?], [String], String, String?)]
    )
    func `client's order decides`(
        served: [String?],
        offers: [String],
        route: String,
        selection: String?
    ) throws {
        let match = try table(served).match(path: "/chat", offers: offers)
        #expect(Outcome(match) == .route(route, protocol: selection))
    }

    @Test(
        arguments: [
            (["a"], []), (["a"], ["b"]), ([nil], ["a"]), ([nil, "a", "b"], ["c", "d"]),
        ] as [([String?], [String])]
    )
    func `offers that are not served are told what is`(served: [String?], offers: [String]) throws {
        let match = try table(served).match(path: "/chat", offers: offers)
        #expect(Outcome(match) == .noProtocol(served.map { $0 ?? "none" }))
    }

    @Test func `path decides before the subprotocol`() throws {
        var table = try table(["a"])
        #expect(table.insert("any", at: try RoutePattern("/**"), protocol: .any))
        #expect(Outcome(table.match(path: "/chat", offers: ["b"])) == .noProtocol(["a"]))
        #expect(Outcome(table.match(path: "/x", offers: ["b"])).route == "any")
    }

    @Test(arguments: ["", "a b", "a/b", "**,", "\u{E9}"])
    func `subprotocol has to be a token`(name: String) {
        #expect(RouteProtocol(name) == nil)
    }

    // MARK: Changes

    @Test func `same paths and subprotocol are taken once, whatever their parameters are called`()
        throws
    {
        var table = RouteTable<Int>()
        #expect(table.insert(1, at: try RoutePattern("/:a/x"), protocol: .named("p")))
        #expect(!table.insert(2, at: try RoutePattern("/:b/x"), protocol: .named("P")))
        #expect(!table.insert(2, at: try RoutePattern("/*/x"), protocol: .named("p")))
        #expect(table.insert(2, at: try RoutePattern("/:b/x"), protocol: .absent))
        guard case .route(2, nil, ["b": "y"]) = table.match(path: "/y/x", offers: []),
            case .route(1, "p"?, ["a": "y"]) = table.match(path: "/y/x", offers: ["p"])
        else {
            Issue.record("each route has its own parameters")
            return
        }
    }

    @Test func `what is removed is gone, and the next most specific is found`() throws {
        var table = RouteTable<String>()
        for pattern in ["/a/b", "/a/*", "/**"] {
            #expect(table.insert(pattern, at: try RoutePattern(pattern), protocol: .absent))
        }
        for (pattern, next) in [("/a/b", "/a/*"), ("/a/:x", "/**"), ("/**", nil)] {
            #expect(!table.remove(try RoutePattern(pattern), protocol: .any))
            #expect(table.remove(try RoutePattern(pattern), protocol: .absent))
            #expect(!table.remove(try RoutePattern(pattern), protocol: .absent))
            #expect(Outcome(table.match(path: "/a/b", offers: [])).route == next)
        }
        #expect(!table.remove(try RoutePattern("/never"), protocol: .absent))
    }
}

/// A match that can be compared.
enum Outcome: Equatable {
    case route(String, protocol: String? = nil, parameters: [String: String] = [:])
    case malformedPath
    case noRoute
    case noProtocol([String])

    init(_ match: RouteTable<String>.Match) {
        self =
            switch match {
            case .route(let route, let selection, let parameters):
                .route(route, protocol: selection, parameters: parameters)
            case .malformedPath: .malformedPath
            case .noRoute: .noRoute
            case .noProtocol(let served): .noProtocol(served.map(\.description))
            }
    }

    var route: String? {
        if case .route(let route, _, _) = self { route } else { nil }
    }
}
