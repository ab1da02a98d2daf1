# Completion of mlx for bash 3.2 or newer; `mlx completion install` puts it where bash looks.

_mlx() {
    local program=$1 rest=${COMP_LINE:0:COMP_POINT} word blanks answer line current stem beyond=""
    local -a words=()
    local count=0 i
    [[ $program == "~/"* ]] && program=$HOME/${program:2}
    # bash breaks words at `=`, `:` and `@`; what has no blank between it belongs together.
    for ((i = 0; i <= COMP_CWORD; i++)); do
        blanks=${rest%%[![:space:]]*}
        rest=${rest#"$blanks"}
        word=${COMP_WORDS[i]}
        ((i == COMP_CWORD)) && word=$rest
        rest=${rest#"$word"}
        if ((i > 0)) && [[ -z $blanks ]]; then
            words[count - 1]=${words[count - 1]}$word
        else
            words[count]=$word
            ((count++))
        fi
    done
    current=${words[count - 1]}
    words[count - 1]=${current#[\"\']}
    COMPREPLY=()
    answer=$(_MLX_COMPLETE=bash "$program" "${words[@]:1}" 2>/dev/null) || return 0
    # Only what follows the last break is to be replaced.
    stem=$current
    if [[ $current != [\"\']* ]]; then
        for word in = :; do
            [[ $COMP_WORDBREAKS == *"$word"* ]] && stem=${stem##*"$word"}
        done
        # This one breaks before itself.
        [[ $COMP_WORDBREAKS == *@* && $stem == *@* ]] && stem=@${stem##*@}
    fi
    blanks=${current%"$stem"}
    while IFS= read -r line; do
        if [[ -z $beyond ]]; then
            beyond=$line
        else
            COMPREPLY[${#COMPREPLY[@]}]=${line#"$blanks"}
        fi
    done <<<"$answer"
    if ((${#COMPREPLY[@]} == 0)); then
        case $beyond in
            files) compopt -o default 2>/dev/null || COMPREPLY=($(compgen -f -- "$stem")) ;;
            folders) compopt -o dirnames 2>/dev/null || COMPREPLY=($(compgen -d -- "$stem")) ;;
        esac
    elif [[ ${COMPREPLY[0]} == *= ]]; then
        compopt -o nospace 2>/dev/null
    fi
    return 0
}
complete -F _mlx mlx
