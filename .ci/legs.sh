# The legs of .ci/run: `bash .ci/legs.sh FOLDER LEG [ARGUMENT ...]` works in FOLDER.
#
# A leg passes when its last command does. It exits with 77 for NOT RUN, with the reason in
# FOLDER/note. Each leg builds its own copy of the repository, because builds with other compiler
# flags would meet in one; what pip has downloaded once, it takes from its cache.
set -euo pipefail

REPOSITORY=$PWD
PEERS=$REPOSITORY/../shared/peers
STRICT="-Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla"
# asan-stack=0: greenlets move pieces of the stack, which marks around its variables do not survive.
SANITIZE="-fsanitize=address,undefined --param asan-stack=0 -fno-sanitize-recover=undefined
    -fno-omit-frame-pointer -g -O1"
# What the rooms of C do: the whole suite takes a debug CPython half an hour, and sanitizers longer.
ROOMS=(tests/test_{attr,batch,converter,dispatch,execution,max_objects,siblings}*.py
    tests/test_{guard,inheritance}_memory.py tests/test_rows_{instances,places}.py
    tests/test_plain_loads.py)
# With the rooms, what else depends on the CPython: threads, tasks and greenlets, how deep calls go,
# imports, Enum and typing, interpreters, and that what the documentation shows is so.
CPYTHON=("${ROOMS[@]}" tests/test_{async_batches,cache,documentation,explain,hostile,http}.py
    tests/test_{install,limits,rows_models,rows_session,session_state,subinterpreters,tracing}.py)
# Many more examples of what is made at random than `make test` has time for.
declare -A EXAMPLES=([rows]=5000 [execution]=5000 [inheritance]=3000 [guard]=120)
export PIP_DISABLE_PIP_VERSION_CHECK=1

not_run() {
    echo "$*" >note
    exit 77
}

# What the machine must have in CI.
lacks() {
    [[ ${CI-} == true ]] || not_run "$@"
    echo "$*" >note
    exit 1
}

copy_repository() {
    mkdir tree
    git -C "$REPOSITORY" ls-files -z --cached --others --exclude-standard |
        tar --create --directory="$REPOSITORY" --null --files-from=- | tar --extract --directory=tree
    cd tree
}

# The interpreter of a release line: pyenv's newest, else the one on PATH.
interpreter() {
    local found
    found=$(printf '%s\n' ~/.pyenv/versions/"$1".*/bin/python | sort --version-sort | tail -n 1)
    [[ -x $found ]] || found=$(command -v "python$1") || return 1
    "$found" -c '' 2>/dev/null && echo "$found"
}

leg_make_test() {
    copy_repository
    make test
}

leg_make_demo() {
    copy_repository
    make demo
    cmp "$REPOSITORY/examples/chinook/chinook.sqlite" examples/chinook/chinook.sqlite
}

# Files of tests, or the whole suite, with a CPython and a line of SQLAlchemy.
pair() {
    local python
    python=$(interpreter "$1") || not_run "no CPython $1 on this machine"
    copy_repository
    GSC_WAYS=few make test PYTHON="$python" SQLALCHEMY="$2" ARGS="${*:3}"
}

# The whole suite on the oldest of both; `make test` has the newest SQLAlchemy.
leg_oldest() {
    pair 3.10 2.0
}

leg_matrix() {
    pair "$1" "$2" "${CPYTHON[@]}"
}

# What asks a server. With the first line also pages in all combinations of their arguments, and the
# ways that `make test` leaves out, on SQLite. One line at a time: the tests of both make the same
# tables.
leg_databases() {
    export GSC_POSTGRES_URL=${GSC_POSTGRES_URL-postgresql+psycopg2://postgres@127.0.0.1:5432/postgres}
    export GSC_MARIADB_URL=${GSC_MARIADB_URL-mysql+pymysql://root@127.0.0.1:3306/}
    export GSC_REQUIRE_DATABASES=1 GSC_WAYS=all
    local python these="postgresql or mariadb"
    if [[ $1 == 2.0 ]]; then
        these+=" or own-instances or own-select-async and not own-select-asyncsession"
    else
        these="($these) and not in_all_combinations"
    fi
    python=$(interpreter 3.11) || python=python3
    copy_repository
    make .venv/databases.stamp PYTHON="$python" SQLALCHEMY="$1"
    flock ../../databases.lock make test PYTHON="$python" SQLALCHEMY="$1" ARGS="-k '$these'"
}

# The views, other packages' views and the faults of a server, over HTTP.
leg_web() {
    export GSC_POSTGRES_URL=${GSC_POSTGRES_URL-postgresql+psycopg2://postgres@127.0.0.1:5432/postgres}
    export GSC_REQUIRE_DATABASES=1 GSC_REQUIRE_WEB=1
    copy_repository
    make .venv/web.stamp .venv/databases.stamp SQLALCHEMY="$1"
    # The last version whose views take a context class, or the first whose views take none.
    local server=graphql-server==3.0.0b7 needs=quart
    [[ $1 == 2.0 ]] || server=graphql-server==3.0.0 needs=python-multipart
    .venv/bin/python -m pip install --quiet "$server" "$needs"
    .venv/bin/python -m pytest tests/web
}

# A headless Chromium opens the example. GraphiQL's files come from the packages that a CDN serves.
leg_browser() {
    { command -v chromium && command -v npm; } || lacks "no chromium or npm on this machine"
    copy_repository
    make .venv/web.stamp
    npm install --prefix ../npm --no-audit --no-fund --ignore-scripts \
        graphiql@3.9.0 react@18.3.1 react-dom@18.3.1 playwright-core@1.65.1
    GSC_NODE_MODULES=$PWD/../npm/node_modules GSC_REQUIRE_BROWSER=1 GSC_REQUIRE_WEB=1 \
        GSC_SCREENSHOTS=$PWD/.. .venv/bin/python -m pytest tests/web/test_browser.py
}

leg_peers() {
    [[ -d $PEERS ]] || not_run "no ../shared/peers here"
    local python failed=0
    python=$(interpreter 3.11) || not_run "no CPython 3.11 on this machine"
    copy_repository
    "$PEERS/graphene_sqlalchemy_suite.sh" "$python" graphene_sqlalchemy_c --strict \
        --context graphene_sqlalchemy_c:ExecutionContext \
        --venv --sqlalchemy "$1" --with "$PWD" | tee ../suite || failed=1
    tail -n 1 ../suite >../note
    return $failed
}

# graphql-core's own suite, with our context as its default.
leg_core() {
    [[ -d $PEERS ]] || not_run "no ../shared/peers here"
    local python failed=0
    python=$(interpreter "$1") || not_run "no CPython $1 on this machine"
    copy_repository
    "$PEERS/graphql_core_suite.sh" "$python" graphene_sqlalchemy_c:ExecutionContext --frames \
        --venv --with "$PWD" | tee ../suite || failed=1
    tail -n 1 ../suite >../note
    return $failed
}

leg_properties() {
    copy_repository
    make .venv/ready.stamp
    local name
    for name; do
        GSC_EXAMPLES=${EXAMPLES[$name]} .venv/bin/python -m pytest "tests/test_${name}_property.py"
    done
}

# Pages without all combinations of their arguments, which go the same ways through C.
leg_sanitizers() {
    copy_repository
    CFLAGS=$SANITIZE make .venv/ready.stamp
    nm --dynamic graphene_sqlalchemy_c/_core*.so | grep __asan_init # it is instrumented indeed
    local preload=""
    for library in libasan.so libubsan.so libstdc++.so.6; do # the last for greenlet, which is C++
        preload+="$(gcc -print-file-name=$library) "
    done
    env GSC_WAYS=few LD_PRELOAD="$preload" PYTHONMALLOC=malloc ASAN_OPTIONS=detect_leaks=0 \
        UBSAN_OPTIONS=print_stacktrace=1 .venv/bin/python -m pytest "${ROOMS[@]}" \
        tests/test_guard_places.py tests/test_inheritance{,_instances}.py tests/test_pages.py \
        tests/test_rows_models.py -k "not in_all_combinations"
}

leg_debug_python() {
    local python
    python=$(command -v python3.11-dbg) || lacks "no python3.11-dbg on this machine"
    copy_repository
    make .venv/ready.stamp PYTHON="$python"
    ls graphene_sqlalchemy_c/_core.cpython-311d-*.so
    GSC_WAYS=few .venv/bin/python -m pytest "${ROOMS[@]}"
}

# The demo's requests; without AsyncSession, whose greenlets switch stacks under valgrind's feet.
leg_valgrind() {
    command -v valgrind || lacks "no valgrind on this machine"
    copy_repository
    make .venv/ready.stamp
    # No undefined-value errors: CPython itself has hundreds of them, all false.
    PYTHONMALLOC=malloc valgrind --quiet --error-exitcode=9 --undef-value-errors=no \
        --suppressions=.ci/valgrind.supp .venv/bin/python .ci/valgrind_requests.py
}

leg_warnings() {
    copy_repository
    local line python lines=""
    for line in 3.10 3.11 3.12 3.13; do
        python=$(interpreter $line) || continue
        make "$PWD/../$line/made.stamp" VENV="$PWD/../$line" PYTHON="$python"
        CFLAGS=$STRICT "../$line/bin/python" setup.py --quiet build_ext --build-lib "../$line/built" \
            --build-temp "../$line/objects"
        lines+=" $line"
    done
    echo "built on$lines" >../note
    [[ -n $lines ]]
}

# Warnings are errors: a reference that leads nowhere is one.
leg_docs() {
    copy_repository
    make docs
}

leg_lint() {
    copy_repository
    make lint
}

leg_package() {
    copy_repository
    make .venv/made.stamp
    .venv/bin/python -m pip install --quiet build
    .venv/bin/python -m build --outdir ../dist
    cd ..
    python3 -m venv empty
    empty/bin/python -m pip install --quiet --prefer-binary dist/*.whl
    empty/bin/python -c "import graphene_sqlalchemy_c, graphene_sqlalchemy_c._core"
    empty/bin/python -m graphene_sqlalchemy_c
    echo dist/* >note
}

leg_bench() {
    export GSC_POSTGRES_URL=${GSC_POSTGRES_URL-postgresql+psycopg2://postgres@127.0.0.1:5432/postgres}
    copy_repository
    make bench ARGS=--quick
}

# Servers over HTTP, with a few hundred requests.
leg_load() {
    export GSC_POSTGRES_URL=${GSC_POSTGRES_URL-postgresql+psycopg2://postgres@127.0.0.1:5432/postgres}
    copy_repository
    make load ARGS=--quick | tee ../load
    grep --quiet '^| uvicorn: memory' ../load
}

cd "$1"
"leg_$2" "${@:3}"
