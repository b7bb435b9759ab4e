# Completions of `recipe` for bash: source <(recipe completions bash)
_recipe() {
    local IFS=$'\013' line="${COMP_LINE:0:COMP_POINT}" words=() word i
    for ((i = 0; i <= COMP_CWORD; i++)); do
        word="${COMP_WORDS[i]}"
        if ((i > 0)) && [[ -n $line && $line != [[:blank:]]* ]]; then
            # No blank before it: a part of the word before.
            ((i < COMP_CWORD)) || word="$line"
            words[${#words[@]} - 1]+="$word"
        else
            line="${line#"${line%%[![:blank:]]*}"}"
            ((i < COMP_CWORD)) || word="$line"
            words+=("$word")
        fi
        line="${line#"$word"}"
    done
    local last="${words[${#words[@]} - 1]}" space=true
    local head="${last%"$2"}"
    compopt +o nospace 2> /dev/null && space=false
    COMPREPLY=($(
        _CLAP_IFS="$IFS" _CLAP_COMPLETE_INDEX="$((${#words[@]} - 1))" _CLAP_COMPLETE_COMP_TYPE="$COMP_TYPE" _CLAP_COMPLETE_SPACE="$space" \
            RECIPE_COMPLETE=bash recipe -- "${words[@]}"
    )) || COMPREPLY=()
    COMPREPLY=("${COMPREPLY[@]#"$head"}")
    if [[ $space == false && ${#COMPREPLY[@]} -gt 0 && ${COMPREPLY[0]} == *[=/:] ]]; then
        compopt -o nospace
    fi
}
if ((BASH_VERSINFO[0] > 4 || (BASH_VERSINFO[0] == 4 && BASH_VERSINFO[1] >= 4))); then
    complete -o nospace -o bashdefault -o nosort -F _recipe recipe
else
    complete -o nospace -o bashdefault -F _recipe recipe
fi
